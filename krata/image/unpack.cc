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
  KRAIT_TRY(auto content, spool.begin(entry.size_bytes));
  KRAIT_CHECK(reader.read(
      [&spool](std::uint64_t offset, std::string_view piece) -> Result<void> { return spool.put(offset, piece); }));
  return content;
}

Result<void> apply_layer(LayerStream& stream, LayerApplier& applier, Spool& spool, Budget& budget) {
  TarReader reader(stream);
  for (;;) {
    KRAIT_TRY(const auto entry, reader.next());
    if (!entry) {
      return stream.finish();
    }
    if (++budget.entries > limits::kEntries) {
      return Error(ErrorCode::limit, fmt::format("the image's layers have more than {} entries", limits::kEntries));
    }
    Content content;
    if (entry->type == EntryType::file) {
      KRAIT_TRY(auto spooled, spool_file(*entry, reader, spool), fmt::format("\"{}\"", printable(entry->path)));
      content = spooled;
    }
    KRAIT_CHECK(applier.apply(*entry, content));
  }
}

}  // namespace

Result<Unpacked> unpack(const Resolved& image, std::vector<Blob> layers, const std::string& folder,
                        Progress& progress) {
  KRAIT_TRY(auto spool, Spool::create(folder));
  Unpacked unpacked{.tree = {}, .spool = std::move(spool)};
  Budget budget;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string what = fmt::format("layer {} of {}", i + 1, layers.size());
    progress.begun("unpack " + what);
    LayerStream stream(std::move(layers[i]), image.manifest.layers[i], image.config.diff_ids[i]);
    LayerApplier applier(unpacked.tree, static_cast<std::uint32_t>(i + 1));
    KRAIT_CHECK(apply_layer(stream, applier, unpacked.spool, budget),
                fmt::format("{} ({})", what, image.manifest.layers[i].digest.short_text()));
    budget.bytes += stream.unpacked_bytes();
    if (budget.bytes > limits::kImageBytes) {
      return Error(ErrorCode::limit,
                   fmt::format("the image's layers unpack to more than {} bytes", limits::kImageBytes));
    }
  }
  KRAIT_CHECK(unpacked.spool.end());
  return unpacked;
}

}  // namespace krata::image
