// Kernels in container images: the kernel lies in /boot, or beside its modules, as distributions install it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "krata/image/unpack.h"
#include "krata/kernel/files.h"

namespace krata::kernel {

// The files of an image, which must outlive them. Links to folders lead within the image, those to files are followed
// nowhere.
std::unique_ptr<Files> image_files(image::Unpacked& image);

// The paths of the kernels: /boot/vmlinuz-*, else /lib/modules/*/vmlinuz. Fails with not_found where there is none.
common::Result<std::vector<std::string>> kernels_in(const Files& files);

}  // namespace krata::kernel
