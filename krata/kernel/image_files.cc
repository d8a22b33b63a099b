#include "krata/kernel/image_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "krata/image/walk.h"

namespace krata::kernel {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::string_view kBoot = "/boot";
constexpr std::string_view kModules = "/lib/modules";
constexpr std::string_view kPrefix = "vmlinuz-";
constexpr std::string_view kBesideModules = "vmlinuz";

class ImageFiles : public Files {
 public:
  explicit ImageFiles(image::Unpacked& image) : image_(image) {}

  Result<std::string> read(const std::string& path, std::size_t max_bytes) const override {
    KRAIT_TRY(auto parts, image::clean_path(path));
    if (parts.empty()) {
      return missing(path);
    }
    const std::string name = std::move(parts.back());
    parts.pop_back();
    KRAIT_TRY(const auto folder, image::resolve(image_.tree, parts));
    const image::Child* const child = folder.id ? image_.tree.find(*folder.id, name) : nullptr;
    if (child == nullptr) {
      return missing(path);
    }
    const image::Node& node = image_.tree.at(child->id);
    if (node.kind != image::Kind::file) {
      return Error(ErrorCode::invalid_input, fmt::format("{} of the image is no regular file", path));
    }
    if (node.content.size_bytes > max_bytes) {
      return Error(ErrorCode::limit, fmt::format("{} of the image is larger than {} bytes", path, max_bytes));
    }
    std::string text(node.content.size_bytes, '\0');
    KRAIT_CHECK(image_.spool.read(node.content, 0, text.data(), text.size()));
    return text;
  }

  Result<std::vector<std::string>> names(const std::string& folder) const override {
    std::vector<std::string> names;
    KRAIT_TRY(const auto parts, image::clean_path(folder));
    KRAIT_TRY(const auto place, image::resolve(image_.tree, parts));
    const image::Children* const children = place.id ? image_.tree.at(*place.id).children.get() : nullptr;
    if (children != nullptr) {
      for (const auto& [name, child] : *children) {
        names.push_back(name);
      }
    }
    return names;
  }

 private:
  static Error missing(const std::string& path) {
    return {ErrorCode::not_found, fmt::format("the image has no {}", path)};
  }

  image::Unpacked& image_;
};

}  // namespace

std::unique_ptr<Files> image_files(image::Unpacked& image) { return std::make_unique<ImageFiles>(image); }

Result<std::vector<std::string>> kernels_in(const Files& files) {
  std::vector<std::string> paths;
  KRAIT_TRY(const auto booted, files.names(std::string(kBoot)));
  for (const std::string& name : booted) {
    if (name.starts_with(kPrefix)) {
      paths.push_back(fmt::format("{}/{}", kBoot, name));
    }
  }
  if (paths.empty()) {
    KRAIT_TRY(const auto versions, files.names(std::string(kModules)));
    for (const std::string& version : versions) {
      const std::string folder = fmt::format("{}/{}", kModules, version);
      KRAIT_TRY(const auto names, files.names(folder));
      if (std::ranges::find(names, kBesideModules) != names.end()) {
        paths.push_back(fmt::format("{}/{}", folder, kBesideModules));
      }
    }
  }
  if (paths.empty()) {
    return Error(ErrorCode::not_found,
                 "the image has no kernel: neither /boot/vmlinuz-VERSION nor /lib/modules/VERSION/vmlinuz");
  }
  return paths;
}

}  // namespace krata::kernel
