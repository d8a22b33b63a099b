// An image that a keeper has whole: the store's.
#pragma once

#include "krata/image/keeper.h"
#include "krata/image/source.h"

namespace krata::image {

// `keeper` must outlive it. Blocks on the disk. Errors: invalid_input (something is missing, or is not what its digest
// says), and the keeper's.
class StoredSource : public Source {
 public:
  StoredSource(Keeper& keeper, Descriptor manifest) : keeper_(keeper), manifest_(std::move(manifest)) {}

  common::Result<std::vector<Descriptor>> root() override { return std::vector<Descriptor>{manifest_}; }
  common::Result<std::string> document(const Descriptor& descriptor) override;
  common::Result<std::vector<Blob>> layers(std::span<const Descriptor> descriptors, Progress& progress) override;

 private:
  common::Result<Blob> open(const Descriptor& descriptor);

  Keeper& keeper_;
  Descriptor manifest_;
};

}  // namespace krata::image
