/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the policy alone says: may one identity open something to another? */
#pragma once

#include "krait/bpf/snapshot.h"

static __always_inline int denied(__u32 cell) {
  if (cell & KRAIT_CELL_EXPIRED) {
    return KRAIT_REASON_RULE_EXPIRED;
  }
  return cell & KRAIT_CELL_RULE ? KRAIT_REASON_DENIED_BY_RULE : KRAIT_REASON_NO_RULE;
}

/* May `from` open `selector` to `to`? */
static __always_inline __u32 ask(const struct view* view, const struct identity* from, const struct identity* to,
                                 __u32 selector) {
  return evaluate(view, from->source_class, to->destination_class, selector);
}
