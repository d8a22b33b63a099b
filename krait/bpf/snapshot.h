/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reading the active snapshot (krait/abi/snapshot.h). */
#pragma once

#include "krait/bpf/maps.h"
#include "krait/bpf/scratch.h"

struct view {
  const struct krait_snapshot_header* header;
  __u32 first_page;
  __u32 reserved;
};

/* The element `index` of the section at `section_page`; `bytes`, its size, is a constant that divides a page. */
static __always_inline const void* element(const struct view* view, __u32 section_page, __u32 index, __u32 bytes) {
  const __u64 offset = (__u64)index * bytes;
  const __u32 page = view->first_page + section_page + (__u32)(offset / KRAIT_PAGE_BYTES);
  const __u8* start = bpf_map_lookup_elem(&krait_snapshot, &page);
  if (!start) {
    return 0;
  }
  __u64 within = offset;
  OPAQUE(within);
  within &= KRAIT_PAGE_BYTES - bytes;
  return start + within;
}

/* The one whose first page this is, of which the caller has one open. */
static __always_inline struct view view_at(__u32 first_page) {
  const struct view view = {.header = bpf_map_lookup_elem(&krait_snapshot, &first_page), .first_page = first_page};
  return view;
}

/* The snapshot whose first page this is. */
static __always_inline int open_page(struct view* view, __u32 page) {
  if (page == 0) {
    return KRAIT_REASON_NO_POLICY;
  }
  view->first_page = page;
  view->reserved = 0;
  view->header = bpf_map_lookup_elem(&krait_snapshot, &view->first_page);
  if (!view->header || view->header->magic != KRAIT_SNAPSHOT_MAGIC || view->header->abi_version != KRAIT_ABI_VERSION) {
    return KRAIT_REASON_NO_POLICY;
  }
  return KRAIT_ALLOWED;
}

static __always_inline int open_view(struct view* view) {
  const struct krait_control* control = control_page();
  return control ? open_page(view, *(volatile const __u32*)&control->active) : KRAIT_REASON_NO_POLICY;
}

/* The same, or what was taken out of force while everything is denied. */
static __always_inline int open_held_view(struct view* view) {
  const struct krait_control* control = control_page();
  if (!control) {
    return KRAIT_REASON_NO_POLICY;
  }
  const __u32 active = *(volatile const __u32*)&control->active;
  return open_page(view, active ? active : *(volatile const __u32*)&control->suspended);
}

static __always_inline const struct krait_entry* find_in_bucket(const struct view* view, __u32 bucket_index,
                                                                const __u32* address_be, __u32 length) {
  const struct krait_bucket* bucket =
      element(view, view->header->bucket_page, bucket_index & view->header->bucket_mask, sizeof(*bucket));
  if (!bucket) {
    return 0;
  }
  const __u64* wanted = (const __u64*)address_be;
  for (int i = 0; i < (int)KRAIT_BUCKET_ENTRIES; i++) {
    const struct krait_entry* entry = &bucket->entries[i];
    const __u64* held = (const __u64*)entry->address_be;
    /* One branch an entry: the verifier follows every branch. */
    if (((held[0] ^ wanted[0]) | (held[1] ^ wanted[1]) | (entry->length ^ (length | KRAIT_ENTRY_USED))) == 0) {
      return entry;
    }
  }
  return 0;
}

/* The entry of exactly this masked prefix. */
static __always_inline const struct krait_entry* find_entry(const struct view* view, const __u32* address_be,
                                                            __u32 length) {
  const __u64 hash = krait_prefix_hash(address_be, length, view->header->hash_seed);
  const struct krait_entry* entry = find_in_bucket(view, (__u32)hash, address_be, length);
  return entry ? entry : find_in_bucket(view, (__u32)(hash >> 32), address_be, length);
}

/* krait_masks_be[64 + n] has the first n bits of a double word, below it are none and above all of them: an address's
 * two halves are masked from 64 places apart. */
#define MASK(n) bpf_cpu_to_be64(~0ULL << (64 - (n)))
#define MASKS(n) \
  MASK(n), MASK((n) + 1), MASK((n) + 2), MASK((n) + 3), MASK((n) + 4), MASK((n) + 5), MASK((n) + 6), MASK((n) + 7)
static const volatile __u64 krait_masks_be[256] = {
    [65] = MASKS(1), MASKS(9), MASKS(17), MASKS(25), MASKS(33), MASKS(41), MASKS(49), MASKS(57), [129 ... 255] = ~0ULL};

/* From a table: the verifier follows every branch. */
static __always_inline void mask_address(__u32* masked_be, const __u32* address_be, __u32 length) {
  ((__u64*)masked_be)[0] = ((const __u64*)address_be)[0] & krait_masks_be[(length + 64) & 0xff];
  ((__u64*)masked_be)[1] = ((const __u64*)address_be)[1] & krait_masks_be[length & 0xff];
}

/* The slot and the owner of an entry, in one value. */
static __always_inline __u64 whose(__u32 slot, __u32 owner) { return (__u64)owner << 32 | slot; }

#define NO_ENTRY (~0ULL)

/*
 * What whose() says of the entry of exactly this masked prefix, an address in its two halves; NO_ENTRY where there is
 * none. Global, so that the verifier judges it once and not in each step of a search: such a function may take numbers
 * alone.
 */
__noinline __u64 find_masked(__u32 first_page, __u32 length, __u64 high_be, __u64 low_be) {
  const struct view view = view_at(first_page);
  if (!view.header) {
    return NO_ENTRY;
  }
  const __u64 masked_be[2] = {high_be, low_be};
  const struct krait_entry* entry = find_entry(&view, (const __u32*)masked_be, length);
  return entry ? whose(entry->slot, entry->owner) : NO_ENTRY;
}

/*
 * Longest prefix match among the networks: a binary search over the lengths in use. The tree lies in the snapshot
 * rather than in bounds computed here, so that the verifier sees one state a step and not one for each way to get
 * there. Global, as find_masked() is.
 */
__noinline __u64 find_network(__u32 first_page, __u32 is_v6, __u64 high_be, __u64 low_be) {
  const struct view view = view_at(first_page);
  __u64 found = whose(KRAIT_NO_SLOT, 0);
  if (!view.header) {
    return found;
  }
  __u8 at = is_v6 ? view.header->v6_root : view.header->v4_root;
  for (int step = 0; step < KRAIT_LENGTH_DEPTH && at != 0; step++) {
    const struct krait_length_node* node = &view.header->nodes[at];
    const __u64 entry = find_masked(first_page, node->length, high_be & krait_masks_be[(node->length + 64) & 0xff],
                                    low_be & krait_masks_be[node->length & 0xff]);
    if (entry != NO_ENTRY) {
      found = entry;
      at = node->if_found;
    } else {
      at = node->if_missing;
    }
  }
  return found;
}

/* Fills in what identity->slot says. */
static __always_inline int read_slot(const struct view* view, struct identity* identity) {
  const struct krait_slot* found = element(view, view->header->slot_page, identity->slot, sizeof(*found));
  if (!found) {
    return 0;
  }
  identity->tag = found->tag;
  identity->source_class = found->source_class;
  identity->destination_class = found->destination_class;
  return 1;
}

/* An address that lies in a network behind this host and is its own all the same. */
static __always_inline int become_this_host(const struct view* view, struct identity* identity) {
  identity->slot = view->header->host_slot;
  identity->owner = KRAIT_ENTRY_OWNER(KRAIT_ENTRY_LOCAL, 128U, KRAIT_THIS_HOST);
  return read_slot(view, identity);
}

/* Whose the address is. Says whether it is anybody's. */
static __always_inline int find_identity(const struct view* view, const __u32* address_be, __u32 is_v6,
                                         struct identity* identity) {
  const struct krait_entry* host = find_entry(view, address_be, 128);
  if (host) {
    identity->slot = host->slot;
    identity->owner = host->owner;
    return read_slot(view, identity);
  }
  const __u64* halves_be = (const __u64*)address_be;
  const __u64 found = find_network(view->first_page, is_v6, halves_be[0], halves_be[1]);
  identity->slot = (__u32)found;
  identity->owner = (__u32)(found >> 32);
  return identity->slot != KRAIT_NO_SLOT && read_slot(view, identity);
}

/* Leaves in identity->masked_be the network that its address was found in, and says its mapped length. */
static __always_inline __u32 covering_network(struct identity* identity, const __u32* address_be) {
  const __u32 length = KRAIT_ENTRY_LENGTH(identity->owner);
  mask_address(identity->masked_be, address_be, length);
  return length;
}

/* How many bits are set: the target has no instruction for it. */
static __always_inline __u32 count_bits(__u64 x) {
  x -= (x >> 1) & 0x5555555555555555ULL;
  x = (x & 0x3333333333333333ULL) + ((x >> 2) & 0x3333333333333333ULL);
  x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
  return (__u32)((x * 0x0101010101010101ULL) >> 56);
}

static __always_inline __u32 cell_of_short_row(const struct view* view, __u32 row, __u32 class) {
  const struct krait_short_row* found = element(view, view->header->short_row_page, row, sizeof(*found));
  if (!found) {
    return 0;
  }
  __u32 cell = found->runs[0].cell;
  for (int i = 1; i < (int)KRAIT_SHORT_RUNS; i++) {
    if (found->runs[i].first_class > class) {
      break;
    }
    cell = found->runs[i].cell;
  }
  return cell;
}

static __always_inline __u32 cell_of_long_row(const struct view* view, __u32 row, __u32 class) {
  const struct krait_word* word =
      element(view, view->header->word_page, row * view->header->word_stride + class / 64, sizeof(*word));
  if (!word) {
    return 0;
  }
  const __u64 up_to_class = word->begins & (~0ULL >> (63 - class % 64));
  const __u32* cell = element(view, view->header->cell_page, word->base + count_bits(up_to_class) - 1, sizeof(*cell));
  return cell ? *cell : 0;
}

static __always_inline __u64 now_boot_ns(void) {
  if (krait_test_clock) {
    const struct krait_control* control = control_page();
    return control ? control->test_now_boot_ns : 0;
  }
  return bpf_ktime_get_boot_ns();
}

/* The cell of now in the place of one that depends on the time. Global, as find_network() is. */
__noinline __u32 resolve_timed_cell(__u32 first_page, __u32 cell) {
  const struct view view = view_at(first_page);
  if (!view.header) {
    return 0;
  }
  const __u64 now = now_boot_ns();
  for (int step = 0; step < KRAIT_MOMENT_DEPTH && cell & KRAIT_CELL_TIMED; step++) {
    const struct krait_moment* moment =
        element(&view, view.header->moment_page, cell & KRAIT_CELL_RULE, sizeof(*moment));
    if (!moment) {
      return 0;
    }
    cell = now < moment->boot_ns ? moment->before : moment->after;
  }
  return cell & KRAIT_CELL_TIMED ? 0 : cell;
}

/* The cell of who opens `selector` to whom; 0, deny, should the snapshot be damaged. */
static __always_inline __u32 lookup_cell(const struct view* view, const struct identity* from,
                                         const struct identity* to, __u32 selector) {
  const struct krait_snapshot_header* header = view->header;
  const __u32* class = element(view, header->port_class_page, selector, sizeof(*class));
  const __u32* row = element(view, header->matrix_page,
                             from->source_class * header->matrix_stride + to->destination_class, sizeof(*row));
  if (!class || !row) {
    return 0;
  }
  const __u32 cell = *row & KRAIT_ROW_SHORT ? cell_of_short_row(view, *row & ~KRAIT_ROW_SHORT, *class)
                                            : cell_of_long_row(view, *row, *class);
  return cell & KRAIT_CELL_TIMED ? resolve_timed_cell(view->first_page, cell) : cell;
}
