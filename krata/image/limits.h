// How much an image may be. Everything that a registry or a file says is hostile until proven: what exceeds one of
// these is refused before it is spent.
#pragma once

#include <cstddef>
#include <cstdint>

namespace krata::image::limits {

inline constexpr std::uint64_t kMib = std::uint64_t{1} << 20U;
inline constexpr std::uint64_t kGib = std::uint64_t{1} << 30U;

// Documents. 4 MiB is what registries must take (distribution-spec, "Pushing Manifests").
inline constexpr std::uint64_t kDocumentBytes = 4 * kMib;
inline constexpr std::size_t kIndexEntries = 1024;
inline constexpr int kIndexDepth = 4;  // an index may name an index (image-spec, "Image Index")
inline constexpr std::size_t kLayers = 512;

// Layers. A layer may unpack to kBombFreeBytes whatever it weighs, and to kBombRatio times its weight beyond that.
inline constexpr std::uint64_t kLayerBytes = 64 * kGib;   // as it is sent
inline constexpr std::uint64_t kImageBytes = 128 * kGib;  // of all layers unpacked; of all files, holes included
inline constexpr std::uint64_t kBombFreeBytes = 1 * kGib;
inline constexpr std::uint64_t kBombRatio = 100;

// The archive of a layer.
inline constexpr std::uint64_t kEntries = std::uint64_t{4} << 20U;  // of all layers
inline constexpr std::uint64_t kExtendedHeaderBytes = 1 * kMib;     // a pax or GNU header before an entry
inline constexpr std::size_t kSparseSegments = std::size_t{1} << 16U;

// The tree. Some 300 bytes of memory a node.
inline constexpr std::size_t kNodes = std::size_t{1} << 20U;
inline constexpr std::size_t kTextBytes = std::size_t{256} << 20U;  // names, link targets and attributes of all nodes
inline constexpr std::size_t kNameBytes = 255;                      // NAME_MAX
inline constexpr std::size_t kPathBytes = 4095;                     // PATH_MAX less its end
inline constexpr std::size_t kDepth = 1024;
inline constexpr std::size_t kSteps = std::size_t{1} << 26U;  // of all paths of all entries; real images take millions
inline constexpr int kLinkHops = 255;
inline constexpr std::size_t kXattrNameBytes = 255;     // XATTR_NAME_MAX
inline constexpr std::size_t kXattrValueBytes = 65536;  // XATTR_SIZE_MAX
inline constexpr std::size_t kXattrs = 256;             // of one node

}  // namespace krata::image::limits
