#include "tests/zone/guest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "common/file.h"
#include "krata/kernel/cpio.h"
#include "krata/kernel/initramfs.h"

namespace krata::zone_tests {

namespace fs = std::filesystem;
using channel::SessionId;

namespace {

// A guest that is emulated on a machine with much else to do takes minutes to come up.
constexpr int kPatienceMs = 600'000;

void run(const std::string& command) {
  const int status = std::system(command.c_str());
  ASSERT_EQ(status, 0) << command;
}

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

std::string read(const fs::path& path) {
  const auto text = common::read_file(path, std::size_t{256} << 20U);
  EXPECT_TRUE(text) << path;
  return text ? *text : "";
}

common::Fd listen_on(const std::string& path) {
  common::Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  EXPECT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  return listener;
}

void add_disk(std::vector<std::string>& words, const std::string& file, bool read_only) {
  const std::string id = fmt::format("disk{}", words.size());
  words.insert(words.end(),
               {"-drive", fmt::format("file={},if=none,format=raw,id={}{}", file, id, read_only ? ",readonly=on" : ""),
                "-device", fmt::format("virtio-blk-pci,drive={}", id)});
}

std::vector<std::string> words_of(const GuestFiles& files, const std::string& console, const std::string& socket) {
  std::vector<std::string> words{"tests/zone/guest.sh",
                                 files.series,
                                 files.initramfs,
                                 console,
                                 "rdinit=/init -- bundle=vdb channel=hvc0",
                                 "-smp",
                                 "1",
                                 "-nic",
                                 "none",
                                 "-m",
                                 files.memory};
  add_disk(words, files.image, true);
  add_disk(words, files.bundle, true);
  for (const std::string& disk : files.further_disks) {
    add_disk(words, disk, false);
  }
  words.insert(words.end(), {"-chardev", fmt::format("socket,id=channel,path={}", socket), "-device",
                             "virtio-serial-pci", "-device", "virtconsole,chardev=channel"});
  return words;
}

pid_t spawn(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) {
    pointers.push_back(const_cast<char*>(word.c_str()));
  }
  pointers.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::setpgid(0, 0);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  return pid;
}

}  // namespace

void make_image(const Scratch& scratch, const std::string& file, const std::string& format) {
  const fs::path tree = scratch.at("tree");
  fs::remove_all(tree);
  for (const char* folder : {"bin", "tmp", "root", "srv/web", "dev", "etc"}) {
    fs::create_directories(tree / folder);
  }
  fs::copy_file(kCache / "busybox", tree / "bin/busybox");
  for (const char* name :
       {"sh",       "cat", "echo", "id",    "sleep", "stty", "tty", "ps",     "pwd",  "env",      "mount", "ls",
        "hostname", "dd",  "tail", "touch", "stat",  "kill", "seq", "md5sum", "grep", "readlink", "head",  "true"}) {
    fs::create_symlink("busybox", tree / "bin" / name);
  }
  write(tree / "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/srv/web:/bin/sh\n");
  write(tree / "etc/group", "root:x:0:\nweb:x:34:\ntape:x:40:web\n");
  write(tree / "srv/web/page", "of the image");
  // Links that would lead somebody else elsewhere.
  fs::create_symlink("/etc/hostname-of-the-image", tree / "etc/hosts");
  const std::string owner = fmt::format("chown -R 33:34 {0}/srv/web && chmod 1777 {0}/tmp", tree.string());
  run(owner);
  run(format == "erofs"
          ? fmt::format("mkfs.erofs --quiet {} {} >/dev/null", file, tree.string())
          : fmt::format("mksquashfs {} {} -quiet -no-progress -comp zstd >/dev/null", tree.string(), file));
}

void make_initramfs(const std::string& series, const std::string& file) {
  const fs::path kernel = kCache / "kernels" / series;
  std::string release = read(kernel / "release");
  release.resize(release.find('\n'));
  constexpr std::string_view kVirtio[] = {"virtio_pci", "virtio_blk", "virtio_console"};
  const auto modules =
      kernel::modules_archive(*kernel::host_files(), kernel / "lib/modules" / release, kVirtio, kernel::kFileSystems);
  ASSERT_TRUE(modules) << modules.error().text();
  kernel::CpioWriter init;
  init.add_file("init", read(KRATA_INIT_PROGRAM), 0755);
  write(file, *modules + std::move(init).finish());
}

bundle::Bundle bundle_of(const std::string& script) {
  bundle::Bundle bundle;
  bundle.zone_id = "01234567-89ab-cdef-0123-456789abcdef";
  bundle.hostname = "zone-1";
  bundle.image_device = "vda";
  bundle.process = {.arguments = {"sh", "-c", script}, .environment = {"PATH=/bin"}};
  return bundle;
}

Guest::Guest(const Scratch& scratch, const GuestFiles& files) : console_path_(scratch.at("console")) {
  const std::string socket = scratch.at("channel");
  fs::remove(socket);
  const common::Fd listener = listen_on(socket);
  emulator_ = spawn(words_of(files, console_path_, socket));
  pollfd wait{.fd = listener.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&wait, 1, kPatienceMs), 1) << "the emulator does not come up";
  link_.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

Guest::~Guest() {
  if (emulator_ > 0) {
    ::kill(-emulator_, SIGKILL);
    ::waitpid(emulator_, nullptr, 0);
  }
  if (testing::Test::HasFailure()) {
    const std::string said = console();
    fmt::print("the guest's console ends:\n{}\n", said.substr(said.size() - std::min<std::size_t>(said.size(), 4000)));
  }
}

void Guest::note(const channel::Event& event) {
  if (const auto* output = std::get_if<channel::Output>(&event)) {
    text[output->session] += output->bytes;
    (output->stream == channel::Stream::output ? output_text : error_text)[output->session] += output->bytes;
    host.output_taken(output->session, output->bytes.size());
  } else if (const auto* exited = std::get_if<channel::Exited>(&event)) {
    exits[exited->session] = exited->exit;
  } else if (const auto* refused = std::get_if<channel::Refused>(&event)) {
    refusals[refused->session] = refused->why;
  } else if (const auto* started = std::get_if<channel::Started>(&event)) {
    running = running || started->session == channel::kContainer;
  } else if (const auto* greeted = std::get_if<channel::Greeted>(&event)) {
    running = running || greeted->state == channel::State::running;
  } else if (const auto* fault = std::get_if<channel::Fault>(&event)) {
    faults.push_back(fault->what);
  }
}

bool Guest::step() {
  while (!host.to_send().empty()) {
    const ssize_t wrote = ::send(link_.get(), host.to_send().data(), host.to_send().size(), MSG_NOSIGNAL);
    if (wrote <= 0) {
      break;
    }
    host.sent(static_cast<std::size_t>(wrote));
  }
  const auto wanted = static_cast<short>(host.to_send().empty() ? POLLIN : POLLIN | POLLOUT);
  pollfd wait{.fd = link_.get(), .events = wanted, .revents = 0};
  if (::poll(&wait, 1, kPatienceMs) != 1) {
    return false;
  }
  std::array<char, 65536> bytes{};
  const ssize_t got = ::recv(link_.get(), bytes.data(), bytes.size(), 0);
  if (got == 0 || (got < 0 && errno != EAGAIN)) {
    return false;
  }
  host.feed(std::string_view(bytes.data(), got > 0 ? static_cast<std::size_t>(got) : 0));
  while (auto event = host.next_event()) {
    note(*event);
  }
  return true;
}

bool Guest::until(const std::function<bool()>& done) {
  while (!done()) {
    if (!step()) {
      return false;
    }
  }
  return true;
}

bool Guest::until_text(SessionId session, const std::string& wanted) {
  return until([&] { return text[session].find(wanted) != std::string::npos; });
}

bool Guest::until_over(SessionId session) {
  return until([&] { return exits.contains(session) || refusals.contains(session); });
}

SessionId Guest::start(bundle::Process process) {
  process.environment.emplace_back("PATH=/bin");
  EXPECT_TRUE(until([this] { return running; }));
  const auto session = host.start(process);
  EXPECT_TRUE(session) << session.error().text();
  return session ? *session : channel::kContainer;
}

std::string Guest::output_of(const std::string& script, const std::string& user) {
  const SessionId session = start({.arguments = {"sh", "-c", script}, .user = user});
  EXPECT_TRUE(until_over(session)) << script;
  return text[session] + refusals[session];
}

bool Guest::ends() {
  host.exit_taken();
  while (step()) {
  }
  int status = -1;
  // The emulator ends with its guest; `timeout` around it bounds that.
  const bool ended = ::waitpid(emulator_, &status, 0) == emulator_;
  emulator_ = 0;
  return ended && status == 0;
}

std::string Guest::console() const {
  const auto bytes = common::read_file(console_path_, std::size_t{16} << 20U);
  return bytes ? *bytes : "";
}

}  // namespace krata::zone_tests
