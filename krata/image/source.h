// Where an image comes from: the port between what is put together (pack.h, store.h) and registries, folders and files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"
#include "krata/image/blob.h"
#include "krata/image/manifest.h"

namespace krata::image {

// Who wants to see how far something is. Called on the thread that works; must not block for long.
class Progress {
 public:
  virtual ~Progress() = default;
  // Of one blob: `done` of `total` bytes are there. Called at its start, now and then, and at its end.
  virtual void moved(const ContentDigest& blob, std::uint64_t done_bytes, std::uint64_t total_bytes) = 0;
  // What is being done now, for example "layer 2 of 3".
  virtual void begun(const std::string& what) = 0;
};

class Source {
 public:
  virtual ~Source() = default;

  // What the name stands for: one descriptor, or several of which the platform decides.
  virtual common::Result<std::vector<Descriptor>> root() = 0;
  // A manifest, an index or a configuration, verified.
  virtual common::Result<std::string> document(const Descriptor& descriptor) = 0;
  // The layers, opened, in the order given; one that stands there twice is fetched once. Their digests are the caller's
  // to verify as it reads (LayerStream).
  virtual common::Result<std::vector<Blob>> layers(std::span<const Descriptor> descriptors, Progress& progress) = 0;
};

// An image whose documents are verified and agree.
struct Resolved {
  Descriptor manifest_descriptor;
  std::string manifest_text;
  Manifest manifest;
  std::string config_text;
  ImageConfig config;
};

// Follows the source's root through indexes to the image for `platform`. Blocks as the source does. Errors:
// invalid_input, unsupported (no image for the platform), limit, and the source's.
common::Result<Resolved> resolve_image(Source& source, const Platform& platform);

}  // namespace krata::image
