// How much a zone may be, whoever asks for it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace krata::model::limits {

inline constexpr std::size_t kNameBytes = 63;  // a DNS label (RFC 1123): it is the host name too
inline constexpr std::size_t kImageBytes = 512;
inline constexpr std::size_t kWords = 256;  // of a command, and variables of an environment
inline constexpr std::size_t kWordBytes = 4096;
inline constexpr std::size_t kSpecBytes = std::size_t{128} << 10U;  // of all words together
inline constexpr std::size_t kDisks = 8;
inline constexpr std::size_t kPathBytes = 4095;     // PATH_MAX of Linux less its end
inline constexpr std::uint32_t kMaxCpus = 64;       // below Xen's limit for PV guests, and what krata asks of one zone
inline constexpr std::uint32_t kMinMemoryMib = 80;  // what Debian's cloud kernel needs to boot
inline constexpr std::uint32_t kMaxMemoryMib = 1U << 20U;
inline constexpr std::uint32_t kMaxWeight = 65535;  // of Xen's credit2 scheduler
inline constexpr std::size_t kZones = 512;          // of one host
inline constexpr std::size_t kReasonBytes = 1024;

}  // namespace krata::model::limits
