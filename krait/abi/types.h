/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What lets one header serve the BPF programs (C) and user space (C++). */
#pragma once

#include <linux/types.h>

#ifdef __cplusplus
#define KRAIT_ASSERT_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type " has hidden padding")
#else
#define KRAIT_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " has hidden padding")
#endif
