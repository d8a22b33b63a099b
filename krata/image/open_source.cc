#include "krata/image/open_source.h"

#include <variant>

#include "common/memory.h"
#include "krata/image/archive_source.h"
#include "krata/image/layout_source.h"
#include "krata/image/registry_source.h"

namespace krata::image {

common::Result<std::unique_ptr<Source>> open_source(const SourceName& name, const RegistrySettings& settings,
                                                    Keeper& keeper, const std::string& scratch_folder) {
  return common::within_memory([&]() -> common::Result<std::unique_ptr<Source>> {
    if (const auto* layout = std::get_if<LayoutName>(&name)) {
      return open_layout(*layout);
    }
    if (const auto* archive = std::get_if<ArchiveName>(&name)) {
      return open_archive(*archive, scratch_folder);
    }
    return open_registry(std::get<Reference>(name), settings, keeper);
  });
}

}  // namespace krata::image
