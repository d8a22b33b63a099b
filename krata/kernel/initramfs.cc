#include "krata/kernel/initramfs.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "krata/kernel/cpio.h"
#include "krata/kernel/modules.h"
#include "krata/kernel/unpack.h"

namespace krata::kernel {

using common::Result;

namespace {

constexpr std::size_t kMaxListBytes = std::size_t{16} << 20U;

Result<ModuleLists> read_lists(const Files& files, const std::string& folder) {
  KRAIT_TRY(auto dep, files.read(folder + "/modules.dep", kMaxListBytes), "the list of modules, which depmod makes");
  KRAIT_TRY(auto builtin, files.read(folder + "/modules.builtin", kMaxListBytes));
  return ModuleLists{.dep = std::move(dep), .builtin = std::move(builtin)};
}

// The archive as it grows, and which files are in it.
class Archive {
 public:
  Archive(const Files& files, std::string folder) : files_(files), folder_(std::move(folder)) {
    cpio_.add_directory("modules");
  }

  Result<void> add(const ModuleLists& lists, std::string_view name) {
    KRAIT_TRY(const auto files, files_of_module(lists, name));
    if (files.empty()) {
      return {};
    }
    index_ += name;
    for (const std::string& file : files) {
      const std::string short_name = module_name(file) + ".ko";
      index_ += ' ' + short_name;
      if (added_.insert(short_name).second) {
        KRAIT_CHECK(add_file(file, short_name));
      }
    }
    index_ += '\n';
    return {};
  }

  std::string finish(std::string_view drivers) && {
    cpio_.add_file("modules/index", index_);
    cpio_.add_file("modules/drivers", drivers);
    return std::move(cpio_).finish();
  }

 private:
  Result<void> add_file(const std::string& file, const std::string& short_name) {
    KRAIT_TRY(auto packed, files_.read(fmt::format("{}/{}", folder_, file), kMaxModuleBytes));
    KRAIT_TRY(const auto module, unpack_module(file, std::move(packed)));
    cpio_.add_file("modules/" + short_name, module);
    return {};
  }

  const Files& files_;
  std::string folder_;
  CpioWriter cpio_;
  std::string index_;
  std::set<std::string> added_;
};

}  // namespace

Result<std::string> modules_archive(const Files& files, const std::string& folder,
                                    std::span<const std::string_view> drivers,
                                    std::span<const std::string_view> file_systems) {
  KRAIT_TRY(const auto lists, read_lists(files, folder));
  Archive archive(files, folder);
  std::string driver_lines;
  for (const std::string_view name : drivers) {
    KRAIT_CHECK(archive.add(lists, name));
    driver_lines += fmt::format("{}\n", name);
  }
  for (const std::string_view name : file_systems) {
    KRAIT_CHECK(archive.add(lists, name));
  }
  return std::move(archive).finish(driver_lines);
}

}  // namespace krata::kernel
