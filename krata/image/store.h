// The content store: blobs by their digests, and the names of images.
//
//   FOLDER/krata-images            what this is: "1\n"
//   FOLDER/lock                    flock: shared by who brings or reads, exclusive for prune
//   FOLDER/blobs/ALGORITHM/HEX     whole and verified; never written again
//   FOLDER/partial/ALGORITHM-HEX   on its way; flock of who brings it
//   FOLDER/names/HEX.json          one image; HEX is the sha256 of its name
//
// Everything appears by rename: a process that is killed leaves partial files, with which the next one goes on, and
// prune ends.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/result.h"
#include "krata/image/keeper.h"
#include "krata/image/source.h"
#include "krata/image/stored_image.h"

namespace krata::image {

struct Pruned {
  std::uint64_t blobs = 0;
  std::uint64_t freed_bytes = 0;
};

// Any number of processes may use a store at a time. Blocks on the disk. Errors: system, permission, unavailable (prune
// while somebody brings or reads), invalid_input (what is there is no store, or is damaged), not_found (no such image).
class Store : public Keeper {
 public:
  // Makes the folder, and all above it, where there is none.
  static common::Result<std::unique_ptr<Store>> open(const std::string& folder);

  common::Result<std::optional<Blob>> find(const Descriptor& descriptor) override;
  common::Result<PartialBlob> begin(const Descriptor& descriptor) override;
  common::Result<Blob> keep(PartialBlob partial) override;

  // Brings the source's image for the platform, and gives it the name, which an image that had it loses. What is there
  // of it is read again, and brought anew where it is damaged.
  common::Result<StoredImage> bring(Source& source, const std::string& name, const Platform& platform,
                                    Progress& progress);

  common::Result<std::vector<StoredImage>> list();  // by name
  common::Result<StoredImage> image(const std::string& name);
  // The documents of an image, verified again.
  common::Result<Resolved> resolve(const StoredImage& image);
  common::Result<void> remove(const std::string& name);  // the name alone; prune ends what nothing names
  common::Result<Pruned> prune();

 private:
  Store(std::string folder, common::Fd lock) : folder_(std::move(folder)), lock_(std::move(lock)) {}
  [[nodiscard]] std::string blob_path(const ContentDigest& digest) const;
  [[nodiscard]] std::string partial_path(const ContentDigest& digest) const;
  [[nodiscard]] std::string name_path(const std::string& name) const;
  common::Result<void> remove_damaged(const std::vector<Descriptor>& descriptors, Progress& progress);
  common::Result<void> keep_text(const Descriptor& descriptor, std::string_view text);
  common::Result<void> keep_layers(Source& source, const std::vector<Descriptor>& layers, Progress& progress);
  common::Result<void> copy(const Blob& from, const Descriptor& descriptor);
  common::Result<std::vector<std::string>> needed_blobs();

  std::string folder_;
  common::Fd lock_;
};

}  // namespace krata::image
