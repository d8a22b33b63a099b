// A kernel image and its lists of modules may come out of a stranger's container image.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "krata/kernel/image.h"
#include "krata/kernel/modules.h"
#include "krata/kernel/unpack.h"
#include "tests/require.h"

using namespace krata::kernel;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto version = image_version(input)) {
    krait::require(is_version(*version) && !version->contains('/'), "a version is one name");
  }
  const std::size_t half = input.find('\0');
  const ModuleLists lists{.dep = std::string(input.substr(0, half)),
                          .builtin = std::string(half == std::string_view::npos ? "" : input.substr(half + 1))};
  for (const char* name : {"xen-blkfront", "a"}) {
    if (const auto files = files_of_module(lists, name)) {
      for (const std::string& file : *files) {
        krait::require(!file.starts_with('/') && !("/" + file + "/").contains("/../"), "files lie below their folder");
      }
    }
  }
  (void)unpack_module("a.ko.xz", std::string(input));
  return 0;
}
