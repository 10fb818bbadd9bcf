<?xml version="1.0"?>
<!-- SPDX-License-Identifier: GPL-2.0-only -->
<!-- The manual page of a resource agent, from its metadata: ocf/vm meta-data | xsltproc -novalid ocf/man.xsl - -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="text" encoding="UTF-8"/>
<xsl:param name="provider" select="'kemari'"/>
<xsl:variable name="agent" select="concat('ocf:', $provider, ':', /resource-agent/@name)"/>

<!-- replace all FROM by TO -->
<xsl:template name="replace">
	<xsl:param name="text"/><xsl:param name="from"/><xsl:param name="to"/>
	<xsl:choose>
		<xsl:when test="contains($text, $from)">
			<xsl:value-of select="concat(substring-before($text, $from), $to)"/>
			<xsl:call-template name="replace">
				<xsl:with-param name="text" select="substring-after($text, $from)"/>
				<xsl:with-param name="from" select="$from"/>
				<xsl:with-param name="to" select="$to"/>
			</xsl:call-template>
		</xsl:when>
		<xsl:otherwise><xsl:value-of select="$text"/></xsl:otherwise>
	</xsl:choose>
</xsl:template>

<!-- as roff wants it: a minus sign, and no line that looks like a request -->
<xsl:template name="roff">
	<xsl:param name="text"/>
	<xsl:variable name="slashed">
		<xsl:call-template name="replace">
			<xsl:with-param name="text" select="$text"/>
			<xsl:with-param name="from" select="'\'"/>
			<xsl:with-param name="to" select="'\e'"/>
		</xsl:call-template>
	</xsl:variable>
	<xsl:variable name="dashed">
		<xsl:call-template name="replace">
			<xsl:with-param name="text" select="$slashed"/>
			<xsl:with-param name="from" select="'-'"/>
			<xsl:with-param name="to" select="'\-'"/>
		</xsl:call-template>
	</xsl:variable>
	<xsl:if test="starts-with($dashed, '.') or starts-with($dashed, &quot;'&quot;)">\&amp;</xsl:if>
	<xsl:value-of select="$dashed"/>
</xsl:template>

<!-- a text whose paragraphs are parted by empty lines -->
<xsl:template name="paragraphs">
	<xsl:param name="text"/><xsl:param name="break"/>
	<xsl:variable name="gap" select="'&#10;&#10;'"/>
	<xsl:variable name="first" select="substring-before(concat($text, $gap), $gap)"/>
	<xsl:if test="normalize-space($first)">
		<xsl:value-of select="$break"/>
		<xsl:call-template name="roff">
			<xsl:with-param name="text" select="normalize-space($first)"/>
		</xsl:call-template>
		<xsl:text>&#10;</xsl:text>
	</xsl:if>
	<xsl:if test="contains($text, $gap)">
		<xsl:call-template name="paragraphs">
			<xsl:with-param name="text" select="substring-after($text, $gap)"/>
			<xsl:with-param name="break"><xsl:if test="normalize-space($first)">.PP&#10;</xsl:if></xsl:with-param>
		</xsl:call-template>
	</xsl:if>
</xsl:template>

<xsl:template match="/resource-agent">
	<xsl:value-of select="concat('.\&quot; made from the metadata of ', $agent, '&#10;')"/>
	<xsl:value-of select="concat('.TH OCF_', translate(concat($provider, '_', @name),
		'abcdefghijklmnopqrstuvwxyz', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'), ' 7 &quot;&quot; &quot;Kemari&quot; &quot;OCF resource agents&quot;&#10;')"/>
	<xsl:text>.SH NAME&#10;</xsl:text>
	<xsl:value-of select="concat('ocf_', $provider, '_', @name, ' \- ', normalize-space(shortdesc), '&#10;')"/>
	<xsl:text>.SH SYNOPSIS&#10;</xsl:text>
	<xsl:value-of select="concat('\fB', $agent, '\fR')"/>
	<xsl:for-each select="parameters/parameter">
		<xsl:variable name="pair" select="concat('\fB', @name, '=\fR\fI', content/@type, '\fR')"/>
		<xsl:choose>
			<xsl:when test="@required = 1"><xsl:value-of select="concat(' ', $pair)"/></xsl:when>
			<xsl:otherwise><xsl:value-of select="concat(' [', $pair, ']')"/></xsl:otherwise>
		</xsl:choose>
	</xsl:for-each>
	<xsl:text>&#10;.SH DESCRIPTION&#10;</xsl:text>
	<xsl:call-template name="paragraphs"><xsl:with-param name="text" select="longdesc"/></xsl:call-template>
	<xsl:text>.SH PARAMETERS&#10;</xsl:text>
	<xsl:apply-templates select="parameters/parameter"/>
	<xsl:text>.SH ACTIONS&#10;With their time\-outs, and the intervals and roles of monitors:&#10;</xsl:text>
	<xsl:apply-templates select="actions/action"/>
	<xsl:call-template name="example"/>
	<xsl:text>.SH SEE ALSO&#10;.BR kemari (8),&#10;.BR kemari\-syncd (8),&#10;.BR fence_kemari (8),&#10;.BR pacemaker\-controld (7)&#10;</xsl:text>
</xsl:template>

<xsl:template match="parameter">
	<xsl:value-of select="concat('.TP&#10;\fB', @name, '\fR (')"/>
	<xsl:value-of select="content/@type"/>
	<xsl:if test="@required = 1">, required</xsl:if>
	<xsl:if test="@unique = 1">, unique</xsl:if>
	<xsl:if test="@reloadable = 1">, may change while the guest runs</xsl:if>
	<xsl:if test="content/@default">
		<xsl:value-of select="concat(', default ', content/@default)"/>
	</xsl:if>
	<xsl:text>)&#10;</xsl:text>
	<xsl:call-template name="paragraphs">
		<xsl:with-param name="text" select="longdesc"/>
	</xsl:call-template>
</xsl:template>

<xsl:template match="action">
	<xsl:text>.TP&#10;\fB</xsl:text>
	<xsl:call-template name="roff"><xsl:with-param name="text" select="@name"/></xsl:call-template>
	<xsl:value-of select="concat('\fR&#10;timeout ', @timeout)"/>
	<xsl:if test="@interval"><xsl:value-of select="concat(', interval ', @interval)"/></xsl:if>
	<xsl:if test="@role"><xsl:value-of select="concat(', role ', @role)"/></xsl:if>
	<xsl:text>&#10;</xsl:text>
</xsl:template>

<!-- one commit for both, or the primitive is started alone first; pcs takes the operations from here -->
<xsl:template name="example">
	<xsl:text>.SH EXAMPLE&#10;.nf&#10;crm configure &lt;&lt;'END'&#10;primitive vm1 </xsl:text>
	<xsl:value-of select="concat($agent, ' \e&#10;    params config=/etc/xen/vm1.cfg')"/>
	<xsl:for-each select="actions/action[@name = 'start' or @name = 'stop' or @name = 'promote' or @name = 'demote' or @name = 'monitor']">
		<xsl:value-of select="concat(' \e&#10;    op ', @name)"/>
		<xsl:if test="@role"><xsl:value-of select="concat(' role=', @role)"/></xsl:if>
		<xsl:text> interval=</xsl:text>
		<xsl:choose>
			<xsl:when test="@interval"><xsl:value-of select="@interval"/></xsl:when>
			<xsl:otherwise>0</xsl:otherwise>
		</xsl:choose>
		<xsl:value-of select="concat(' timeout=', @timeout)"/>
	</xsl:for-each>
	<xsl:text>
clone vm1\-ha vm1 \e
    meta promotable=true notify=false interleave=true clone\-max=2 clone\-node\-max=1
commit
END
.fi
.PP
.nf
pcs resource create vm1 </xsl:text>
	<xsl:value-of select="concat($agent, ' config=/etc/xen/vm1.cfg \e')"/>
	<xsl:text>
    promotable vm1\-ha notify=false interleave=true clone\-max=2 clone\-node\-max=1
.fi
</xsl:text>
</xsl:template>
</xsl:stylesheet>
