#include "krata/image/unpack.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "krata/image/layer.h"
#include "krata/image/layer_stream.h"
#include "krata/image/limits.h"
#include "krata/image/tar_reader.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// What all layers together may take.
struct Budget {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
};

Result<Content> spool_file(const Entry& entry, TarReader& reader, Spool& spool) {
  auto content = spool.begin(entry.size_bytes);
  if (!content) {
    return content;
  }
  auto read = reader.read(
      [&spool](std::uint64_t offset, std::string_view piece) -> Result<void> { return spool.put(offset, piece); });
  return read ? content : read.error();
}

Result<void> apply_layer(LayerStream& stream, LayerApplier& applier, Spool& spool, Budget& budget) {
  TarReader reader(stream);
  for (;;) {
    const auto entry = reader.next();
    if (!entry) {
      return entry.error();
    }
    if (!*entry) {
      return stream.finish();
    }
    if (++budget.entries > limits::kEntries) {
      return Error(ErrorCode::limit, fmt::format("the image's layers have more than {} entries", limits::kEntries));
    }
    Content content;
    if ((*entry)->type == EntryType::file) {
      auto spooled = spool_file(**entry, reader, spool);
      if (!spooled) {
        return passed_on(spooled, fmt::format("\"{}\"", printable((*entry)->path)));
      }
      content = *spooled;
    }
    if (auto applied = applier.apply(**entry, content); !applied) {
      return applied;
    }
  }
}

}  // namespace

Result<Unpacked> unpack(const Resolved& image, std::vector<Blob> layers, const std::string& folder,
                        Progress& progress) {
  auto spool = Spool::create(folder);
  if (!spool) {
    return spool.error();
  }
  Unpacked unpacked{.tree = {}, .spool = *std::move(spool)};
  Budget budget;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string what = fmt::format("layer {} of {}", i + 1, layers.size());
    progress.begun("unpack " + what);
    LayerStream stream(std::move(layers[i]), image.manifest.layers[i], image.config.diff_ids[i]);
    LayerApplier applier(unpacked.tree, static_cast<std::uint32_t>(i + 1));
    if (auto applied = apply_layer(stream, applier, unpacked.spool, budget); !applied) {
      return passed_on(applied, fmt::format("{} ({})", what, image.manifest.layers[i].digest.short_text()));
    }
    budget.bytes += stream.unpacked_bytes();
    if (budget.bytes > limits::kImageBytes) {
      return Error(ErrorCode::limit,
                   fmt::format("the image's layers unpack to more than {} bytes", limits::kImageBytes));
    }
  }
  if (auto ended = unpacked.spool.end(); !ended) {
    return ended.error();
  }
  return unpacked;
}

}  // namespace krata::image
