/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-ins for functions that the code under test calls, and that are nobody's question in the test. */
#ifndef KEMARI_UNIT_STANDINS_H
#define KEMARI_UNIT_STANDINS_H

/* Done. */
#define NOTHING(call)                                                                                        \
	void call                                                                                            \
	{                                                                                                    \
	}
/* No, none, and no error. */
#define ZERO(call, type)                                                                                     \
	type call                                                                                            \
	{                                                                                                    \
		return 0;                                                                                    \
	}
/* Nothing of these is to happen. */
#define NEVER(call, type)                                                                                    \
	type call                                                                                            \
	{                                                                                                    \
		fail();                                                                                      \
		return 0;                                                                                    \
	}
#define NEVER_VOID(call)                                                                                     \
	void call                                                                                            \
	{                                                                                                    \
		fail();                                                                                      \
	}

#endif /* KEMARI_UNIT_STANDINS_H */
