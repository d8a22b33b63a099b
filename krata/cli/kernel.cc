#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/calendar.h"
#include "common/cli/table.h"
#include "common/memory.h"
#include "krata/cli/command.h"
#include "krata/cli/image_flags.h"
#include "krata/cli/progress.h"
#include "krata/image/keeper.h"
#include "krata/image/open_source.h"
#include "krata/image/unpack.h"
#include "krata/kernel/image_files.h"
#include "krata/kernel/store.h"

namespace krata::cli {

using common::Result;
using kernel::Kernel;
using kernel::KernelStore;

namespace {

struct KernelFlags : ImageFlags {
  std::string source;
  std::string folder = "/var/lib/krata/kernels";
  std::string modules;
  std::vector<std::string> names;
};

using Flags = std::shared_ptr<KernelFlags>;

Json kernel_json(const Kernel& kernel) {
  return {{"kernel", kernel.version},
          {"image", kernel.image_path},
          {"modules", kernel.modules_path},
          {"image_bytes", kernel.image_bytes},
          {"modules_bytes", kernel.modules_bytes},
          {"added_s", kernel.added_s}};
}

std::string kernel_text(const Kernel& kernel) {
  return fmt::format("{}  {} and {} of modules  {}", kernel.version, common::cli::size_text(kernel.image_bytes),
                     common::cli::size_text(kernel.modules_bytes), common::utc_text(kernel.added_s, "%Y-%m-%d %H:%M"));
}

void report_kernels(Output& output, const std::vector<Kernel>& kernels, std::string_view otherwise) {
  std::string text;
  Json json = Json::array();
  for (const Kernel& kernel : kernels) {
    text += (text.empty() ? "" : "\n") + kernel_text(kernel);
    json.push_back(kernel_json(kernel));
  }
  report(output, text.empty() ? otherwise : text, {{"kernels", std::move(json)}});
}

Result<void> add(const KernelFlags& flags, Output& output) {
  KernelStore store(flags.folder);
  const auto files = kernel::host_files();
  std::vector<Kernel> added;
  for (const std::string& image : flags.names) {
    KRAIT_TRY(auto kernel, store.add(*files, image, flags.modules));
    added.push_back(std::move(kernel));
  }
  report_kernels(output, added, "");
  return {};
}

// Layers and files lie in the store's folder meanwhile, without names.
Result<image::Unpacked> unpack(const KernelFlags& flags, image::Progress& progress) {
  KRAIT_TRY(const auto name, image::parse_source(flags.source, flags.registry));
  KRAIT_TRY(const auto platform, platform_of(flags));
  KRAIT_CHECK(KernelStore(flags.folder).make());
  image::ScratchKeeper keeper(flags.folder);
  KRAIT_TRY(const auto source, image::open_source(name, settings_of(flags), keeper, flags.folder));
  KRAIT_TRY(const auto resolved, image::resolve_image(*source, platform));
  KRAIT_TRY(auto layers, source->layers(resolved.manifest.layers, progress));
  return image::unpack(resolved, std::move(layers), flags.folder, progress);
}

Result<void> import(const KernelFlags& flags, Output& output) {
  const auto progress = make_progress(output.json());
  KRAIT_TRY(auto unpacked, unpack(flags, *progress));
  const auto files = kernel::image_files(unpacked);
  KRAIT_TRY(const auto paths, kernel::kernels_in(*files));
  KernelStore store(flags.folder);
  std::vector<Kernel> added;
  for (const std::string& path : paths) {
    KRAIT_TRY(auto kernel, store.add(*files, path));
    added.push_back(std::move(kernel));
  }
  report_kernels(output, added, "");
  return {};
}

Result<void> list(const KernelFlags& flags, Output& output) {
  KRAIT_TRY(const auto kernels, KernelStore(flags.folder).list());
  report_kernels(output, kernels, "no kernels; krata kernel add /boot/vmlinuz-... brings one");
  return {};
}

Result<void> remove(const KernelFlags& flags, Output& output) {
  KernelStore store(flags.folder);
  Json removed = Json::array();
  for (const std::string& version : flags.names) {
    KRAIT_CHECK(store.remove(version));
    removed.push_back(version);
  }
  report(output, "removed", {{"removed", std::move(removed)}});
  return {};
}

using Do = Result<void> (*)(const KernelFlags&, Output&);

void on(Shell& shell, Command command, const Flags& flags, Do what) {
  command.option("--folder", flags->folder, "Where the kernels are kept", {.env = "KRATA_KERNELS"});
  shell.on(command,
           [flags, what](Output& output) { return common::within_memory([&] { return what(*flags, output); }); });
}

}  // namespace

void add_kernel(Shell& shell) {
  const Command group = shell.group("kernel", "Kernels that zones boot");
  const auto flags = [] { return std::make_shared<KernelFlags>(); };

  const Flags added = flags();
  Command command = shell.command(group, "add", "Keep a kernel of this host for zones",
                                  "Takes the modules that a zone needs with it. One of the same version is replaced.\n"
                                  "Example:  krata kernel add /boot/vmlinuz-*-cloud-amd64");
  command.options("FILE", added->names, "A kernel image: vmlinuz or bzImage");
  command.option("--modules", added->modules, "The folder of its modules; /lib/modules/VERSION");
  on(shell, command, added, add);

  const Flags imported = flags();
  command =
      shell.command(group, "import", "Keep the kernels of a container image for zones",
                    "Takes /boot/vmlinuz-*, or else /lib/modules/*/vmlinuz, with the modules of each in /lib/modules.\n"
                    "Example:  krata kernel import registry.example/kernel:6.12");
  command.option("SOURCE", imported->source,
                 "HOST/NAME[:TAG][@DIGEST] of a registry, oci:DIR[:TAG] or docker-archive:FILE", {.required = true});
  add_platform_flag(command, *imported);
  add_registry_flags(command, *imported);
  on(shell, command, imported, import);

  on(shell, shell.command(group, "list", "List the kernels, the newest last", ""), flags(), list);

  const Flags removed = flags();
  command = shell.command(group, "remove", "Delete kernels", "Zones that run keep theirs.");
  command.options("VERSION", removed->names, "As krata kernel list says it");
  on(shell, command, removed, remove);
}

}  // namespace krata::cli
