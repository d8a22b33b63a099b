#include "krata/image/stored_image.h"

#include <algorithm>
#include <utility>

#include "krata/image/json.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Result;

namespace {

constexpr std::uint64_t kMaxUnixS = 253402300799;  // the last second that has a year of four digits

}  // namespace

std::string stored_text(const StoredImage& image) {
  const Json json{{"version", 1},
                  {"name", image.name},
                  {"platform", image.platform.text()},
                  {"mediaType", image.manifest.media_type},
                  {"digest", image.manifest.digest.text()},
                  {"size", image.manifest.size_bytes},
                  {"stored_s", image.stored_s}};
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

Result<StoredImage> parse_stored(std::string_view text, const std::string& path) {
  KRAIT_TRY(const auto json, parse_object(text, path));
  auto digest = ContentDigest::parse(text_in(json, "digest").value_or(""));
  auto platform = Platform::parse(text_in(json, "platform").value_or(""));
  const auto name = text_in(json, "name");
  const auto size = number_in(json, "size");
  if (!digest || !platform || !name || !size) {
    return refused("{} is damaged; remove it", path);
  }
  StoredImage image{.name = *name, .platform = *std::move(platform), .manifest = {}, .stored_s = 0};
  image.manifest.media_type = text_in(json, "mediaType").value_or("");
  image.manifest.digest = *std::move(digest);
  image.manifest.size_bytes = *size;
  image.stored_s = static_cast<std::int64_t>(std::min(number_in(json, "stored_s").value_or(0), kMaxUnixS));
  return image;
}

}  // namespace krata::image
