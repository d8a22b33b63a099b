#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "krata/cli/command.h"
#include "krata/image/layout_source.h"
#include "krata/image/pack.h"
#include "krata/image/reference.h"

namespace krata::cli {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

class Silent : public image::Progress {
 public:
  void moved(const image::ContentDigest& /*blob*/, std::uint64_t /*done*/, std::uint64_t /*total*/) override {}
  void begun(const std::string& /*what*/) override {}
};

struct PackFlags {
  std::string source;
  std::string file;
  std::string format = "squashfs";
  std::string platform;
};

Result<void> pack(const PackFlags& flags, Output& output) {
  const auto name = image::parse_source(flags.source, "");
  if (!name) {
    return name.error();
  }
  const auto* layout = std::get_if<image::LayoutName>(&*name);
  if (layout == nullptr) {
    return Error(ErrorCode::unsupported, "only oci: yet");
  }
  auto source = image::open_layout(*layout);
  if (!source) {
    return source.error();
  }
  Silent silent;
  image::PackOptions options{.file = flags.file};
  options.format = flags.format == "erofs" ? image::Format::erofs : image::Format::squashfs;
  const auto packed = image::pack(**source, options, silent);
  if (!packed) {
    return packed.error();
  }
  Json json{{"digest", packed->digest.text()},
            {"format", image::format_name(packed->format)},
            {"bytes", packed->file_bytes},
            {"config", Json::parse(packed->config_text, nullptr, false)}};
  output.report(fmt::format("{}: {}, {} bytes, from {}", flags.file, image::format_name(packed->format),
                            packed->file_bytes, packed->digest.text()),
                json);
  return {};
}

void add_pack(Shell& shell, Command group) {
  auto flags = std::make_shared<PackFlags>();
  Command command = shell.command(group, "pack", "Pack an image into a read-only file system",
                                  "Needs no root, no Xen and no daemon.");
  command.option("SOURCE", flags->source, "registry reference, oci:DIR[:TAG] or docker-archive:FILE",
                 {.required = true});
  command.option("FILE", flags->file, "The file to write", {.required = true});
  command.option("--format", flags->format, "The file system", {.one_of = {"squashfs", "erofs"}});
  shell.on(command, [flags](Output& output) { return pack(*flags, output); });
}

}  // namespace

void add_image(Shell& shell) {
  const Command group = shell.group("image", "Images: fetch, keep, pack");
  add_pack(shell, group);
}

}  // namespace krata::cli
