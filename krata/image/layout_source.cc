#include "krata/image/layout_source.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "common/file.h"
#include "krata/image/json.h"
#include "krata/image/limits.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

class LayoutSource : public Source {
 public:
  LayoutSource(std::string folder, std::vector<Descriptor> root) : folder_(std::move(folder)), root_(std::move(root)) {}

  Result<std::vector<Descriptor>> root() override { return root_; }

  Result<std::string> document(const Descriptor& descriptor) override {
    KRAIT_TRY(const auto blob, open(descriptor));
    return read_document(blob, descriptor.digest, descriptor.size_bytes);
  }

  Result<std::vector<Blob>> layers(std::span<const Descriptor> descriptors, Progress& /*progress*/) override {
    std::vector<Blob> blobs;
    for (const Descriptor& descriptor : descriptors) {
      KRAIT_TRY(auto blob, open(descriptor));
      blobs.push_back(std::move(blob));
    }
    return blobs;
  }

 private:
  [[nodiscard]] Result<Blob> open(const Descriptor& descriptor) const {
    const ContentDigest& digest = descriptor.digest;
    auto blob =
        open_blob(fmt::format("{}/blobs/{}/{}", folder_, digest.algorithm_name(), digest.hex), digest.short_text());
    if (blob && blob->size_bytes != descriptor.size_bytes) {
      return refused("{} has {} bytes, not the {} that it is said to have", digest.short_text(), blob->size_bytes,
                     descriptor.size_bytes);
    }
    return blob;
  }

  std::string folder_;
  std::vector<Descriptor> root_;
};

Result<std::string> read_text(const std::string& folder, const char* name) {
  const std::string path = fmt::format("{}/{}", folder, name);
  auto text = common::read_file(path, limits::kDocumentBytes);
  if (!text && text.error().code() == ErrorCode::not_found) {
    return refused("{} is no OCI image layout: it has no file {}", printable(folder), name);
  }
  return text;
}

// The names of all, for people.
std::string names_of(const std::vector<Descriptor>& all) {
  std::string names;
  for (const Descriptor& one : all) {
    if (!one.ref_name.empty() && names.size() < 200) {
      names += (names.empty() ? "; its tags: " : ", ") + printable(one.ref_name);
    }
  }
  return names;
}

// Several stand for one image only where they have one name, or none, and each its platform.
bool are_one_image(const std::vector<Descriptor>& all) {
  const auto is_sibling = [&](const Descriptor& one) { return one.platform && one.ref_name == all.front().ref_name; };
  return all.size() == 1 || std::ranges::all_of(all, is_sibling);
}

Result<std::vector<Descriptor>> select(std::vector<Descriptor> all, const LayoutName& name) {
  const std::string names = names_of(all);
  const bool by_name = !name.ref_name.empty();
  std::erase_if(all, [&](const Descriptor& one) { return by_name && one.ref_name != name.ref_name; });
  if (all.empty()) {
    return by_name ? refused("{} has no image \"{}\"{}", printable(name.folder), printable(name.ref_name), names)
                   : refused("{} has no image", printable(name.folder));
  }
  if (!are_one_image(all)) {
    return by_name ? refused("{} has several images \"{}\"", printable(name.folder), printable(name.ref_name))
                   : refused("{} has several images: write oci:DIR:TAG{}", printable(name.folder), names);
  }
  return all;
}

}  // namespace

Result<std::unique_ptr<Source>> open_layout(const LayoutName& name) {
  KRAIT_TRY(const auto version_text, read_text(name.folder, "oci-layout"));
  KRAIT_TRY(const auto version, parse_object(version_text, "oci-layout"));
  if (text_in(version, "imageLayoutVersion") != "1.0.0") {
    return Error(ErrorCode::unsupported,
                 fmt::format("{} is an image layout of another version than 1.0.0", printable(name.folder)));
  }
  KRAIT_TRY(const auto text, read_text(name.folder, "index.json"));
  KRAIT_TRY(auto document, parse_document(text, kOciIndex), "index.json");
  auto* index = std::get_if<Index>(&document);
  KRAIT_TRY(auto root, select(std::move(index->manifests), name));
  return std::make_unique<LayoutSource>(name.folder, std::move(root));
}

}  // namespace krata::image
