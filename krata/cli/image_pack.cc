#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/cli/table.h"
#include "common/file.h"
#include "krata/cli/image_flags.h"
#include "krata/cli/progress.h"
#include "krata/image/open_source.h"
#include "krata/image/pack.h"
#include "krata/image/stored_source.h"

namespace krata::cli {

using common::Result;

namespace {

constexpr std::string_view kStored = "store:";

struct PackFlags : ImageFlags {
  std::string source;
  std::string file;
  std::string format;
};

std::optional<image::Format> format_of(const PackFlags& flags) {
  return flags.format.empty() ? std::nullopt
                              : std::optional(flags.format == "erofs" ? image::Format::erofs : image::Format::squashfs);
}

Result<void> pack_from(image::Source& source, const PackFlags& flags, image::Platform platform, Output& output) {
  const image::PackOptions options{.file = flags.file, .format = format_of(flags), .platform = std::move(platform)};
  const auto progress = make_progress(output.json());
  KRAIT_TRY(const auto packed, image::pack(source, options, *progress));
  report(output,
         fmt::format("{}: {}, {}, from {}", flags.file, image::format_name(packed.format),
                     common::cli::size_text(packed.file_bytes), packed.digest.text()),
         {{"digest", packed.digest.text()},
          {"format", image::format_name(packed.format)},
          {"bytes", packed.file_bytes},
          {"config", image::parse_json(packed.config_text)}});
  return {};
}

// The store knows of its image which platform it is for.
Result<void> pack_stored(const PackFlags& flags, Output& output) {
  KRAIT_TRY(const auto name, full_name(flags.source.substr(kStored.size()), flags));
  KRAIT_TRY(const auto store, open_store(flags));
  KRAIT_TRY(const auto image, store->image(name));
  KRAIT_TRY(const auto wanted, platform_of(flags));
  image::StoredSource source(*store, image.manifest);
  return pack_from(source, flags, flags.platform.empty() ? image.platform : wanted, output);
}

Result<void> pack(const PackFlags& flags, Output& output) {
  if (flags.source.starts_with(kStored)) {
    return pack_stored(flags, output);
  }
  KRAIT_TRY(const auto name, image::parse_source(flags.source, flags.registry));
  KRAIT_TRY(auto platform, platform_of(flags));
  const std::string folder = common::directory_of(flags.file);
  image::ScratchKeeper keeper(folder);
  KRAIT_TRY(const auto source, image::open_source(name, settings_of(flags), keeper, folder));
  return pack_from(*source, flags, std::move(platform), output);
}

}  // namespace

void add_image_pack(Shell& shell, Command group) {
  auto flags = std::make_shared<PackFlags>();
  Command command = shell.command(
      group, "pack", "Write an image's file system to a file",
      "Puts the image's layers together as one read-only file system, with all owners, modes, devices and attributes.\n"
      "Needs no root, no Xen and no daemon. What fails leaves FILE as it was.\n"
      "Example:  krata image pack oci:folder:tag root.squashfs\n"
      "Example:  krata image pack --format erofs localhost:5000/app:1 root.erofs");
  command.option("SOURCE", flags->source,
                 "HOST/NAME[:TAG][@DIGEST] of a registry, store:NAME, oci:DIR[:TAG] or docker-archive:FILE",
                 {.required = true});
  command.option("FILE", flags->file, "The file to write", {.required = true});
  command.option("--format", flags->format, "The file system; squashfs, or erofs where that cannot hold the image",
                 {.one_of = {"squashfs", "erofs"}});
  add_platform_flag(command, *flags);
  add_store_flag(command, *flags);
  add_registry_flags(command, *flags);
  shell.on(command, [flags](Output& output) { return pack(*flags, output); });
}

}  // namespace krata::cli
