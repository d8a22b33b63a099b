// A zone in an ordinary QEMU guest of the lab, and the host's end of its channel.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/fd.h"
#include "common/test_folder.h"
#include "krata/bundle/bundle.h"
#include "krata/channel/channel.h"

namespace krata::zone_tests {

// The lab's cache, kernels and programs in it. Tests run in the repository's root.
inline const std::filesystem::path kCache = ".cache";

using Scratch = common::TestFolder;

// An image with busybox, some users and files, as squashfs or EROFS.
void make_image(const Scratch& scratch, const std::string& file, const std::string& format);
// What a zone of the lab's kernel unpacks: as krata makes it, but with virtio's drivers.
void make_initramfs(const std::string& series, const std::string& file);

bundle::Bundle bundle_of(const std::string& script);

struct GuestFiles {
  std::string series;
  std::string initramfs;
  std::string image;
  std::string bundle;
  std::vector<std::string> further_disks = {};  // writable: vdc and so on
  std::string memory = "256";                   // MiB
};

class Guest {
 public:
  Guest(const Scratch& scratch, const GuestFiles& files);
  ~Guest();
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  // Carries bytes both ways until `done` holds; false: the guest has ended, or said nothing for ten minutes.
  bool until(const std::function<bool()>& done);
  bool until_text(channel::SessionId session, const std::string& text);
  bool until_over(channel::SessionId session);
  channel::SessionId start(bundle::Process process);
  // What a command in the container writes, and how it ends.
  std::string output_of(const std::string& script, const std::string& user = "");
  // Lets the guest power off, and waits until it has. False: it does not.
  bool ends();
  // What the guest's kernel and its init said.
  [[nodiscard]] std::string console() const;

  channel::Channel host;
  std::map<channel::SessionId, std::string> text;         // both streams, in whichever order init read them
  std::map<channel::SessionId, std::string> output_text;  // the one alone
  std::map<channel::SessionId, std::string> error_text;   // and the other
  std::map<channel::SessionId, channel::Exit> exits;
  std::map<channel::SessionId, std::string> refusals;
  std::vector<std::string> faults;
  bool running = false;

 private:
  bool step();
  void note(const channel::Event& event);

  std::string console_path_;
  common::Fd link_;
  pid_t emulator_ = 0;
};

}  // namespace krata::zone_tests
