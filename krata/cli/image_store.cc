#include <fmt/format.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/calendar.h"
#include "common/cli/table.h"
#include "common/memory.h"
#include "krata/cli/image_flags.h"
#include "krata/cli/progress.h"
#include "krata/cli/roots.h"
#include "krata/control/protocol.h"
#include "krata/image/open_source.h"
#include "krata/image/store.h"

namespace krata::cli {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

struct StoreFlags : ImageFlags {
  std::string source;
  std::string name;
  std::vector<std::string> names;
  std::string socket = control::kDefaultSocket;
};

using Flags = std::shared_ptr<StoreFlags>;

Json stored_json(const image::StoredImage& image) {
  return {{"name", image.name},
          {"digest", image.manifest.digest.text()},
          {"platform", image.platform.text()},
          {"stored_s", image.stored_s}};
}

Result<void> bring(const image::SourceName& source_name, const std::string& name, const StoreFlags& flags,
                   Output& output) {
  KRAIT_TRY(const auto platform, platform_of(flags));
  KRAIT_TRY(const auto store, open_store(flags));
  KRAIT_TRY(const auto folder, store_folder(flags));
  KRAIT_TRY(const auto source, image::open_source(source_name, settings_of(flags), *store, folder));
  const auto progress = make_progress(output.json());
  const auto brought = store->bring(*source, name, platform, *progress);
  if (!brought && brought.error().sys_errno() == ENOSPC) {
    return Error(brought.error())
        .with_context(fmt::format("{} is full; krata image prune frees what no image needs", folder));
  }
  KRAIT_CHECK(brought);
  report(output, fmt::format("{}: {}", brought->name, brought->manifest.digest.text()), stored_json(*brought));
  return {};
}

Result<void> pull(const StoreFlags& flags, Output& output) {
  KRAIT_TRY(const auto reference, image::Reference::parse(flags.name, flags.registry));
  return bring(reference, reference.text(), flags, output);
}

Result<void> import(const StoreFlags& flags, Output& output) {
  KRAIT_TRY(const auto source, image::parse_source(flags.source, flags.registry));
  if (std::holds_alternative<image::Reference>(source)) {
    return Error(ErrorCode::invalid_input,
                 "import takes oci:DIR[:TAG] or docker-archive:FILE; see krata image pull for registries");
  }
  KRAIT_TRY(const auto name, full_name(flags.name, flags));
  return bring(source, name, flags, output);
}

Result<void> list(const StoreFlags& flags, Output& output) {
  KRAIT_TRY(const auto store, open_store(flags));
  KRAIT_TRY(const auto images, store->list());
  std::string text;
  Json json = Json::array();
  for (const image::StoredImage& image : images) {
    text += fmt::format("{}{}  {}  {}  {}", text.empty() ? "" : "\n", image.name, image.manifest.digest.short_text(),
                        image.platform.text(), common::utc_text(image.stored_s, "%Y-%m-%d %H:%M"));
    json.push_back(stored_json(image));
  }
  report(output, text.empty() ? "no images; krata image pull and import bring them" : text,
         {{"images", std::move(json)}});
  return {};
}

Result<void> show(const StoreFlags& flags, Output& output) {
  KRAIT_TRY(const auto name, full_name(flags.name, flags));
  KRAIT_TRY(const auto store, open_store(flags));
  KRAIT_TRY(const auto image, store->image(name));
  KRAIT_TRY(const auto resolved, store->resolve(image));
  Json json = stored_json(image);
  json["config"] = image::parse_json(resolved.config_text);
  json["layers"] = Json::array();
  std::string text =
      fmt::format("{}\n  manifest {}\n  platform {}", image.name, image.manifest.digest.text(), image.platform.text());
  for (const image::Descriptor& layer : resolved.manifest.layers) {
    json["layers"].push_back({{"digest", layer.digest.text()}, {"bytes", layer.size_bytes}});
    text += fmt::format("\n  layer {} {}", layer.digest.text(), common::cli::size_text(layer.size_bytes));
  }
  text += "\n  config " + image::member(json["config"], "config").dump(-1, ' ', true, Json::error_handler_t::replace);
  report(output, text, std::move(json));
  return {};
}

Result<void> remove(const StoreFlags& flags, Output& output) {
  KRAIT_TRY(const auto store, open_store(flags));
  Json removed = Json::array();
  for (const std::string& word : flags.names) {
    KRAIT_TRY(const auto name, full_name(word, flags));
    KRAIT_CHECK(store->remove(name));
    removed.push_back(name);
  }
  report(output, "removed; krata image prune frees what no image needs", {{"removed", std::move(removed)}});
  return {};
}

Result<void> prune(const StoreFlags& flags, Output& output) {
  KRAIT_TRY(const auto store, open_store(flags));
  KRAIT_TRY(const auto pruned, store->prune());
  KRAIT_TRY(const std::string folder, store_folder(flags));
  KRAIT_TRY(const auto roots, prune_roots(folder.substr(0, folder.rfind('/')) + "/roots", flags.socket));
  std::string text =
      fmt::format("removed {} blobs, {}, and {} files of packed images, {}", pruned.blobs,
                  common::cli::size_text(pruned.freed_bytes), roots.files, common::cli::size_text(roots.freed_bytes));
  if (!roots.because_of.empty()) {
    text += fmt::format("; packed images stay as long as the zone {} is being prepared: prune again later",
                        roots.because_of);
  }
  report(output, text,
         {{"blobs", pruned.blobs},
          {"freed_bytes", pruned.freed_bytes},
          {"root_files", roots.files},
          {"root_bytes", roots.freed_bytes},
          {"roots_kept_for", roots.because_of.empty() ? Json() : Json(roots.because_of)}});
  return {};
}

using Do = Result<void> (*)(const StoreFlags&, Output&);

void add_registry_flag(Command command, const Flags& flags) {
  command.option("--registry", flags->registry, "The registry of names without one", {.env = "KRATA_REGISTRY"});
}

void on(Shell& shell, Command command, const Flags& flags, Do what) {
  add_store_flag(command, *flags);
  shell.on(command,
           [flags, what](Output& output) { return common::within_memory([&] { return what(*flags, output); }); });
}

}  // namespace

void add_image_store(Shell& shell, Command group) {
  const auto flags = [] { return std::make_shared<StoreFlags>(); };

  Flags pulled = flags();
  Command command = shell.command(group, "pull", "Fetch an image from a registry into the store",
                                  "A pull that was interrupted goes on where it was.\n"
                                  "Example:  krata image pull registry.example/app:1");
  command.option("NAME", pulled->name, "HOST/NAME[:TAG][@DIGEST]", {.required = true});
  command.flag("--plain-http", pulled->plain_http, "Speak HTTP without TLS to a registry that is not on loopback");
  add_platform_flag(command, *pulled);
  add_registry_flag(command, pulled);
  on(shell, command, pulled, pull);

  Flags imported = flags();
  command = shell.command(group, "import", "Bring an image of files into the store",
                          "Example:  krata image import docker-archive:app.tar app:1");
  command.option("SOURCE", imported->source, "oci:DIR[:TAG] or docker-archive:FILE", {.required = true});
  command.option("NAME", imported->name, "What to call it; without a host it is localhost's", {.required = true});
  add_platform_flag(command, *imported);
  add_registry_flag(command, imported);
  on(shell, command, imported, import);

  on(shell, shell.command(group, "list", "List the store's images", ""), flags(), list);

  Flags shown = flags();
  command = shell.command(group, "show", "Show an image's digests and configuration", "");
  command.option("NAME", shown->name, "As krata image list says it", {.required = true});
  add_registry_flag(command, shown);
  on(shell, command, shown, show);

  Flags removed = flags();
  command =
      shell.command(group, "remove", "Take images out of the list", "Their content stays until krata image prune.");
  command.options("NAME", removed->names, "As krata image list says it");
  add_registry_flag(command, removed);
  on(shell, command, removed, remove);

  Flags pruned = flags();
  command =
      shell.command(group, "prune", "Delete what no image of the store needs",
                    "Also what interrupted pulls left, and the packed images beside the store that no zone is of.");
  command.option("--socket", pruned->socket, "The socket of kratad, which knows the zones", {.env = "KRATA_SOCKET"});
  on(shell, command, pruned, prune);
}

}  // namespace krata::cli
