// The numbers by which Xen names things.
#pragma once

#include <cstddef>
#include <cstdint>

namespace krata::xen {

using DomainId = std::uint16_t;  // 0 is domain 0; zones have numbers below kFirstReservedDomain
using Port = std::uint32_t;      // of an event channel; 0 is none
using GrantRef = std::uint32_t;
using Frame = std::uint64_t;  // of the machine's memory, in pages
using Pfn = std::uint64_t;    // of a domain's own memory, in pages

inline constexpr std::size_t kPageBytes = 4096;
inline constexpr DomainId kFirstReservedDomain = 0x7ff0;  // DOMID_FIRST_RESERVED of xen/xen.h
inline constexpr Frame kNoFrame = ~Frame{0};

// Grants that whoever builds a domain makes for it: GNTTAB_RESERVED_* of xen/grant_table.h.
inline constexpr GrantRef kConsoleGrant = 0;
inline constexpr GrantRef kStoreGrant = 1;

}  // namespace krata::xen
