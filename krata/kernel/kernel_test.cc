#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/file.h"
#include "common/test_folder.h"
#include "krata/image/walk.h"
#include "krata/kernel/cpio.h"
#include "krata/kernel/image.h"
#include "krata/kernel/image_files.h"
#include "krata/kernel/initramfs.h"
#include "krata/kernel/modules.h"
#include "krata/kernel/store.h"

namespace krata::kernel {
namespace {

using Texts = std::vector<std::string>;

std::string image_of(const std::string& version) {
  std::string image(0x3000, '\0');
  image.replace(0x202, 4, "HdrS");
  image[0x20e] = '\x00';
  image[0x20f] = '\x20';  // at 0x2000 + 0x200
  const std::string text = version + " (somebody@somewhere) #1 SMP";
  image.replace(0x2200, text.size(), text);
  return image;
}

class Folder : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(at(name)).parent_path());
    std::ofstream(at(name), std::ios::binary) << text;
  }
  [[nodiscard]] std::string at(const std::string& name) const { return folder_.at(name); }

  // A kernel's modules: one packed, one that needs another, one built in.
  void make_modules() const {
    write("modules/modules.dep",
          "kernel/fs/erofs/erofs.ko: kernel/lib/libcrc32c.ko\n"
          "kernel/fs/squashfs/squashfs.ko.xz:\n"
          "kernel/fs/overlayfs/overlay.ko:\n"
          "kernel/lib/libcrc32c.ko:\n"
          "kernel/drivers/block/xen-blkfront.ko:\n"
          "kernel/drivers/net/xen-netfront.ko:\n");
    write("modules/modules.builtin", "kernel/fs/ext4/ext4.ko\n");
    for (const char* name : {"fs/erofs/erofs", "fs/overlayfs/overlay", "lib/libcrc32c", "drivers/block/xen-blkfront",
                             "drivers/net/xen-netfront", "fs/squashfs/squashfs"}) {
      write(std::string("modules/kernel/") + name + ".ko", std::string("module ") + name);
    }
    const std::string command = "xz -f " + at("modules/kernel/fs/squashfs/squashfs.ko");
    ASSERT_EQ(std::system(command.c_str()), 0);
  }

  common::TestFolder folder_;
};

TEST(Modules, ComeWithWhatTheyNeed) {
  const ModuleLists lists{.dep = "a/x-one.ko: a/two.ko b/three.ko.xz\na/two.ko: b/three.ko.xz\nb/three.ko.xz:\n",
                          .builtin = "c/four-five.ko\n"};
  EXPECT_EQ(*files_of_module(lists, "x_one"), (Texts{"b/three.ko.xz", "a/two.ko", "a/x-one.ko"}));
  EXPECT_EQ(*files_of_module(lists, "x-one"), (Texts{"b/three.ko.xz", "a/two.ko", "a/x-one.ko"}));
  EXPECT_EQ(*files_of_module(lists, "three"), (Texts{"b/three.ko.xz"}));
  EXPECT_TRUE(files_of_module(lists, "four_five")->empty());
  EXPECT_EQ(files_of_module(lists, "one").error().code(), common::ErrorCode::not_found);
  EXPECT_EQ(files_of_module({.dep = "a.ko: ../../etc/shadow", .builtin = ""}, "a").error().code(),
            common::ErrorCode::invalid_input);
}

TEST(KernelImage, SaysItsVersion) {
  EXPECT_EQ(*image_version(image_of("6.1.0-42-cloud-amd64")), "6.1.0-42-cloud-amd64");
  EXPECT_EQ(*image_version(image_of("6.12.95+deb12-cloud-amd64")), "6.12.95+deb12-cloud-amd64");
  EXPECT_FALSE(image_version("#!/bin/sh"));
  EXPECT_FALSE(image_version(image_of("../../etc")));
  EXPECT_FALSE(image_version(image_of(std::string(200, 'a'))));
  std::string image = image_of("6.1");
  image[0x20f] = '\x7f';
  EXPECT_FALSE(image_version(image));
}

TEST_F(Folder, OfAnArchiveIsWhatCpioUnpacks) {
  CpioWriter writer;
  writer.add_directory("dir");
  writer.add_file("dir/one", "1");
  writer.add_file("empty", "");
  writer.add_file("run", std::string(5000, 'x'), 0755);
  write("a.cpio", std::move(writer).finish());
  const std::string command = "mkdir " + at("out") + " && cd " + at("out") + " && cpio -i --quiet < ../a.cpio";
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(*common::read_file(at("out/dir/one"), 100), "1");
  EXPECT_EQ(*common::read_file(at("out/empty"), 100), "");
  EXPECT_EQ(*common::read_file(at("out/run"), 10000), std::string(5000, 'x'));
  struct stat status{};
  ASSERT_EQ(::stat(at("out/run").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0755U);
}

TEST_F(Folder, OfKernelsKeepsThemByVersion) {
  make_modules();
  write("new", image_of("6.12.1-cloud"));
  write("old", image_of("6.1.100-cloud"));
  KernelStore store(at("store/kernels"));
  EXPECT_TRUE(store.list()->empty());
  EXPECT_NE(store.find("").error().text().find("krata kernel add"), std::string::npos);
  const auto added = store.add(*host_files(), at("new"), at("modules"));
  ASSERT_TRUE(added) << added.error().text();
  ASSERT_TRUE(store.add(*host_files(), at("old"), at("modules")));
  const auto kernels = store.list();
  ASSERT_EQ(kernels->size(), 2U);
  EXPECT_EQ((*kernels)[0].version, "6.1.100-cloud");
  EXPECT_EQ(store.find("")->version, "6.12.1-cloud");
  EXPECT_EQ(*common::read_file(store.find("6.12.1-cloud")->image_path, 100'000), image_of("6.12.1-cloud"));
  ASSERT_TRUE(store.add(*host_files(), at("old"), at("modules")));  // once more
  EXPECT_EQ(store.list()->size(), 2U);
  ASSERT_TRUE(store.remove("6.12.1-cloud"));
  EXPECT_EQ(store.find("")->version, "6.1.100-cloud");
  EXPECT_FALSE(store.remove("6.12.1-cloud"));
  EXPECT_FALSE(store.remove(""));
  EXPECT_FALSE(store.remove("../kernels"));
  EXPECT_EQ(store.list()->size(), 1U);
}

TEST_F(Folder, OfAZoneHasItsModulesAndInit) {
  make_modules();
  write("image", image_of("6.1"));
  write("krata-init", "the program");
  KernelStore store(at("store"));
  const auto kernel = store.add(*host_files(), at("image"), at("modules"));
  ASSERT_TRUE(kernel) << kernel.error().text();
  const auto parts = initramfs(*kernel, at("krata-init"));
  ASSERT_TRUE(parts);
  std::string archive;
  for (const InitramfsPart& part : *parts) {
    std::string bytes(part.file_bytes, '\0');
    EXPECT_EQ(::pread(part.file.get(), bytes.data(), bytes.size(), 0), part.file.valid() ? std::ssize(bytes) : -1);
    archive += part.bytes + bytes;
  }
  // Two archives: cpio(1) stops at the first one's end, the kernel does not.
  write("a.cpio", archive.substr(0, kernel->modules_bytes));
  write("b.cpio", archive.substr(kernel->modules_bytes));
  const std::string command =
      "mkdir " + at("out") + " && cd " + at("out") + " && cpio -i --quiet < ../a.cpio && cpio -i --quiet < ../b.cpio";
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(*common::read_file(at("out/init"), 100), "the program");
  EXPECT_EQ(*common::read_file(at("out/modules/index"), 1000),
            "xen-blkfront xen_blkfront.ko\nxen-netfront xen_netfront.ko\nsquashfs squashfs.ko\n"
            "erofs libcrc32c.ko erofs.ko\noverlay overlay.ko\n");
  EXPECT_EQ(*common::read_file(at("out/modules/drivers"), 100), "xen-blkfront\nxen-netfront\n");
  EXPECT_EQ(*common::read_file(at("out/modules/squashfs.ko"), 100), "module fs/squashfs/squashfs");
}

TEST_F(Folder, SaysWhatIsMissing) {
  make_modules();
  write("image", image_of("6.1"));
  KernelStore store(at("store"));
  write("modules/modules.builtin", "");
  auto added = store.add(*host_files(), at("image"), at("modules"));
  ASSERT_FALSE(added);
  EXPECT_NE(added.error().text().find("no module ext4"), std::string::npos) << added.error().text();
  make_modules();
  write("modules/kernel/fs/squashfs/squashfs.ko.xz", "damaged");
  added = store.add(*host_files(), at("image"), at("modules"));
  ASSERT_FALSE(added);
  EXPECT_NE(added.error().text().find("squashfs.ko.xz is damaged"), std::string::npos) << added.error().text();
  added = store.add(*host_files(), at("modules/modules.dep"), at("modules"));
  ASSERT_FALSE(added);
  EXPECT_NE(added.error().text().find("no x86 kernel image"), std::string::npos) << added.error().text();
  EXPECT_TRUE(store.list()->empty());
}

// An image as a distribution would make it: /lib is a link.
TEST_F(Folder, TakesKernelsOfImages) {
  auto spool = image::Spool::create(folder_.path());
  ASSERT_TRUE(spool);
  image::Unpacked image{.tree = {}, .spool = *std::move(spool)};
  const auto put = [&image](const std::string& path, const std::string& text) {
    auto parts = *image::clean_path(path);
    const std::string name = parts.back();
    parts.pop_back();
    const auto folder = image::make_folders(image.tree, *image::resolve(image.tree, parts), 1);
    const auto content = image.spool.begin(text.size());
    ASSERT_TRUE(image.spool.put(0, text));
    ASSERT_TRUE(image.tree.add(*folder, name, {.kind = image::Kind::file, .content = *content}, 1));
  };
  ASSERT_TRUE(image.tree.add(image::kRoot, "lib", {.kind = image::Kind::symlink, .target = "/usr/lib"}, 1));
  const std::string modules = "/usr/lib/modules/6.1-image/";
  put(modules + "modules.dep", "xen-blkfront.ko:\nxen-netfront.ko:\nsquashfs.ko:\n");
  put(modules + "modules.builtin", "erofs.ko\noverlay.ko\next4.ko\n");
  for (const char* name : {"xen-blkfront.ko", "xen-netfront.ko", "squashfs.ko"}) {
    put(modules + name, name);
  }
  put(modules + "vmlinuz", image_of("6.1-image"));
  ASSERT_TRUE(image.spool.end());
  const auto files = image_files(image);
  const auto kernels = kernels_in(*files);
  ASSERT_TRUE(kernels) << kernels.error().text();
  EXPECT_EQ(*kernels, (Texts{"/lib/modules/6.1-image/vmlinuz"}));
  KernelStore store(at("store"));
  const auto added = store.add(*files, kernels->front());
  ASSERT_TRUE(added) << added.error().text();
  EXPECT_EQ(added->version, "6.1-image");
  EXPECT_NE(common::read_file(added->modules_path, 100'000)->find("xen-blkfront xen_blkfront.ko\n"), std::string::npos);
  EXPECT_EQ(files->read("/lib/modules/none", 10).error().text(), "the image has no /lib/modules/none");
  EXPECT_EQ(files->read("/lib", 10).error().text(), "/lib of the image is no regular file");
  EXPECT_EQ(files->read(modules + "squashfs.ko", 10).error().code(), common::ErrorCode::limit);

  auto empty = image::Spool::create(folder_.path());
  image::Unpacked without{.tree = {}, .spool = *std::move(empty)};
  EXPECT_NE(kernels_in(*image_files(without)).error().text().find("no kernel"), std::string::npos);
}

// What a process that was killed has left is nobody's kernel, and goes with the next change.
TEST_F(Folder, ForgetsWhatWasNeverFinished) {
  make_modules();
  write("image", image_of("6.1"));
  write("store/.new-6.5/vmlinuz", "half");
  write("store/6.6/vmlinuz", "no modules");
  KernelStore store(at("store"));
  EXPECT_TRUE(store.list()->empty());
  ASSERT_TRUE(store.add(*host_files(), at("image"), at("modules")));
  EXPECT_FALSE(std::filesystem::exists(at("store/.new-6.5")));
}

}  // namespace
}  // namespace krata::kernel
