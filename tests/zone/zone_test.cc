// krata-init as the first process of a guest with Debian's cloud kernels, on both of them.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "common/file.h"
#include "krata/kernel/store.h"
#include "tests/zone/guest.h"

namespace krata::zone_tests {
namespace {

using channel::Exit;
using channel::kContainer;

constexpr std::size_t kMaxInitBytes = std::size_t{3} << 20U;

class Zone : public testing::TestWithParam<std::string> {
 protected:
  // The files of a guest with this bundle.
  GuestFiles files_for(const bundle::Bundle& bundle, const std::string& format = "squashfs") {
    GuestFiles files{.series = GetParam(),
                     .initramfs = scratch_.at("initramfs"),
                     .image = scratch_.at("image"),
                     .bundle = scratch_.at("bundle")};
    make_initramfs(files.series, files.initramfs);
    make_image(scratch_, files.image, format);
    put_bundle(files, bundle);
    return files;
  }
  static void put_bundle(const GuestFiles& files, const bundle::Bundle& bundle) {
    const auto disk = bundle::write_bundle(bundle);
    ASSERT_TRUE(disk) << disk.error().text();
    std::ofstream(files.bundle, std::ios::binary | std::ios::trunc) << *disk;
  }
  std::string make_ext4(const std::string& name) {
    const std::string file = scratch_.at(name);
    const std::string command = fmt::format("truncate -s 8M {0} && mkfs.ext4 -q {0}", file);
    EXPECT_EQ(std::system(command.c_str()), 0);
    return file;
  }

  Scratch scratch_;
};

INSTANTIATE_TEST_SUITE_P(Kernels, Zone, testing::Values("6.1", "6.12"),
                         [](const auto& it) { return it.param == "6.1" ? "K6_1" : "K6_12"; });

// What is about user space alone, which is the same with each kernel.
class ZoneOfOneKernel : public Zone {};

INSTANTIATE_TEST_SUITE_P(Kernels, ZoneOfOneKernel, testing::Values("6.12"), [](const auto&) { return "K6_12"; });

bundle::Bundle busy_bundle() {
  bundle::Bundle bundle = bundle_of(
      "echo \"I am $(id -un) $(id -u) $(id -g), $(id -G)\"; echo \"error\" >&2; echo "
      "\"$A|$HOME|$HOSTNAME|$(pwd)\";"
      "trap 'echo asked to stop; exit 7' QUIT; echo ready; while :; do sleep 0.1; done");
  bundle.process.environment.emplace_back("A=b  c");
  bundle.process.user = "web";
  bundle.process.working_directory = "/srv/new/folder";
  bundle.stop_signal = SIGQUIT;
  bundle.hosts = {{.address = "10.1.2.3", .names = "db db.example"}};
  bundle.name_servers = {"10.1.2.53"};
  bundle.keys = {{.name = "token", .bytes = "secret"}};
  return bundle;
}

// What the container finds around it.
void see_the_machine(Guest& guest) {
  EXPECT_EQ(guest.output_of("hostname; cat /etc/hostname"), "zone-1\nzone-1\n");
  EXPECT_NE(guest.output_of("cat /etc/hosts").find("10.1.2.3 db db.example\n127.0.1.1 zone-1\n"), std::string::npos);
  EXPECT_EQ(guest.output_of("cat /etc/resolv.conf"), "nameserver 10.1.2.53\n");
  EXPECT_EQ(guest.output_of("cat /run/krata/keys/token; stat -c ' %a %u' /run/krata/keys/token"), "secret 400 0\n");
  EXPECT_NE(guest.output_of("cat /run/krata/keys/token", "web").find("Permission denied"), std::string::npos);
  EXPECT_EQ(guest.output_of("ls /dev"),
            "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n");
  EXPECT_EQ(guest.output_of("ls /sys/fs/cgroup/cgroup.procs /proc/1/comm; cat /proc/1/comm"),
            "/proc/1/comm\n/sys/fs/cgroup/cgroup.procs\ninit\n");
  EXPECT_NE(guest.output_of("grep lo: /proc/net/dev; cat /sys/class/net/lo/carrier").find("\n1\n"), std::string::npos);
  EXPECT_EQ(guest.output_of("cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn"), "0\n1024\n524288\n");
  EXPECT_EQ(guest.output_of("echo through a name > /dev/stdout", "web"), "through a name\n");
}

// The image stays as it is: what is written goes to the overlay, and the disk itself cannot be written.
void see_the_image(Guest& guest) {
  EXPECT_EQ(guest.output_of("cat page; stat -c ' %U %G' page", "web:tape").substr(0, 4), "cat:");
  EXPECT_EQ(guest.output_of("cat /srv/web/page; stat -c ' %u %g' /srv/web/page"), "of the image 33 34\n");
  EXPECT_EQ(guest.output_of("echo new > /srv/web/page; cat /srv/web/page", "web"), "new\n");
  EXPECT_EQ(guest.output_of("stat -c '%a %u' / /tmp"), "755 0\n1777 0\n");
  EXPECT_NE(guest.output_of("echo x > /etc/passwd", "web").find("Permission denied"), std::string::npos);
}

void run_beside(Guest& guest) {
  EXPECT_EQ(guest.output_of("id -u; id -g; id -G", "33:40"), "33\n40\n40\n");
  EXPECT_EQ(guest.output_of("", "nobody"), "the image has no user 'nobody' in /etc/passwd");
  const auto missing = guest.start({.arguments = {"no-such-program"}});
  EXPECT_TRUE(guest.until_over(missing));
  EXPECT_EQ(guest.refusals[missing], "run 'no-such-program' (No such file or directory)");

  const auto pipes = guest.start({.arguments = {"md5sum"}});
  const std::string much(500'000, 'x');
  std::size_t given = 0;
  EXPECT_TRUE(guest.until([&] {
    given += guest.host.input(pipes, std::string_view(much).substr(given));
    return given == much.size();
  }));
  guest.host.end_input(pipes);
  EXPECT_TRUE(guest.until_over(pipes));
  EXPECT_EQ(guest.text[pipes], "20e8b0e1a8b71b908ed4fd2ec6ee57af  -\n");

  EXPECT_EQ(guest.output_of("seq 1 20000 | md5sum"), guest.output_of("seq 1 20000 > /tmp/f; md5sum < /tmp/f"));
  const std::string numbers = guest.output_of("seq 1 20000");
  EXPECT_EQ(numbers.size(), 108'894U);
  EXPECT_TRUE(numbers.ends_with("\n19999\n20000\n"));
}

void use_a_terminal(Guest& guest) {
  const auto session =
      guest.start({.arguments = {"sh", "-c",
                                 "tty; stty size; read line; echo \"got $line\"; stty size; "
                                 "trap 'echo interrupted; exit 5' INT; echo wait; while :; do sleep 0.1; done"},
                   .user = "web",
                   .terminal = true,
                   .size = {.rows = 12, .columns = 34}});
  EXPECT_TRUE(guest.until_text(session, "12 34\r\n"));
  guest.host.resize(session, {.rows = 56, .columns = 78});
  guest.host.input(session, "hello\r");
  EXPECT_TRUE(guest.until_text(session, "wait"));
  EXPECT_NE(guest.text[session].find("/dev/pts/0\r\n12 34\r\nhello\r\ngot hello\r\n56 78\r\n"), std::string::npos)
      << guest.text[session];
  guest.host.input(session, "\x03");
  EXPECT_TRUE(guest.until_over(session));
  EXPECT_EQ(guest.exits[session], (Exit{Exit::Reason::exited, 5}));
}

void send_signals(Guest& guest) {
  const auto session = guest.start({.arguments = {"sleep", "1000"}});
  guest.host.signal(session, SIGKILL);
  EXPECT_TRUE(guest.until_over(session));
  EXPECT_EQ(guest.exits[session], (Exit{Exit::Reason::signalled, SIGKILL}));
}

// A process whose parent has ended is the first process's to reap; the container's own children are not.
void leave_orphans(Guest& guest) {
  EXPECT_EQ(guest.output_of("sh -c 'sleep 0.3 & echo $! > /tmp/orphan'; cat /tmp/orphan > /dev/null;"
                            "while [ -e /proc/$(cat /tmp/orphan) ]; do sleep 0.1; done; echo gone"),
            "gone\n");
  EXPECT_EQ(guest.output_of("ps -o ppid,stat | grep -c '^ *1 .*Z'"), "0\n");
}

TEST_P(Zone, RunsAContainerFromItsImageToItsExitCode) {
  Guest guest(scratch_, files_for(busy_bundle()));
  ASSERT_TRUE(guest.until_text(kContainer, "ready")) << guest.text[kContainer] << guest.refusals[kContainer];
  EXPECT_EQ(guest.output_text[kContainer], "I am web 33 34, 34 40\nb  c|/srv/web|zone-1|/srv/new/folder\nready\n");
  EXPECT_TRUE(guest.until([&] { return guest.error_text[kContainer] == "error\n"; }));
  see_the_machine(guest);
  see_the_image(guest);
  run_beside(guest);
  use_a_terminal(guest);
  send_signals(guest);
  leave_orphans(guest);
  guest.host.stop();
  EXPECT_TRUE(guest.until_over(kContainer));
  EXPECT_TRUE(guest.text[kContainer].ends_with("asked to stop\n")) << guest.text[kContainer];
  EXPECT_EQ(guest.exits[kContainer], (Exit{Exit::Reason::exited, 7}));
  EXPECT_TRUE(guest.ends());
  EXPECT_TRUE(guest.faults.empty()) << guest.faults.front();
}

TEST_P(ZoneOfOneKernel, WithoutABundleSaysSo) {
  GuestFiles files = files_for(bundle_of("true"));
  std::ofstream(files.bundle, std::ios::binary | std::ios::trunc) << std::string(4096, 'x');
  Guest guest(scratch_, files);
  EXPECT_TRUE(guest.until_over(kContainer));
  EXPECT_EQ(guest.refusals[kContainer], "read the bundle: the disk holds no bundle");
  EXPECT_TRUE(guest.ends());
  EXPECT_NE(guest.console().find("krata-init: read the bundle: the disk holds no bundle"), std::string::npos);
}

// EROFS, a scratch disk that outlives the zone, a further disk, a command of the user's that is killed for want of
// memory.
TEST_P(Zone, KeepsWhatItsDisksKeep) {
  bundle::Bundle bundle =
      bundle_of("cat /kept /data/x; echo new | tee -a /kept >> /data/x; mount | grep ' /data '; exec tail /dev/zero");
  bundle.scratch_device = "vdc";
  bundle.disks = {{.device = "vdd", .path = "/data", .file_system = "ext4"}};
  GuestFiles files = files_for(bundle, "erofs");
  files.further_disks = {make_ext4("scratch"), make_ext4("data")};
  for (const std::string expected : {"No such file", "new\nnew\n"}) {
    Guest guest(scratch_, files);
    ASSERT_TRUE(guest.until_over(kContainer)) << guest.text[kContainer];
    EXPECT_NE(guest.text[kContainer].find(expected), std::string::npos) << guest.text[kContainer];
    EXPECT_NE(guest.text[kContainer].find("type ext4 (rw,nosuid,nodev"), std::string::npos) << guest.text[kContainer];
    EXPECT_EQ(guest.exits[kContainer], (Exit{Exit::Reason::out_of_memory, SIGKILL})) << guest.refusals[kContainer];
    EXPECT_TRUE(guest.ends());
  }
}

// What the host sees of a panic is the machine's end, by the hypervisor: no exit is invented.
TEST_P(ZoneOfOneKernel, TellsNoExitOfAPanic) {
  bundle::Bundle bundle = bundle_of("echo about to; read line; echo c > /proc/sysrq-trigger; exit 3");
  Guest guest(scratch_, files_for(bundle));
  ASSERT_TRUE(guest.until_text(kContainer, "about to"));
  guest.host.input(kContainer, "go\n");
  EXPECT_FALSE(guest.until_over(kContainer));
  EXPECT_TRUE(guest.exits.empty() && guest.refusals.empty());
  EXPECT_NE(guest.console().find("Kernel panic"), std::string::npos);
}

TEST_P(Zone, BootsAKernelOfDebian) {
  const std::string kernel = ".cache/kernels/" + GetParam();
  std::string release;
  std::ifstream(kernel + "/release") >> release;
  kernel::KernelStore store(scratch_.at("kernels"));
  const auto added = store.add(*kernel::host_files(), kernel + "/vmlinuz", kernel + "/lib/modules/" + release);
  ASSERT_TRUE(added) << added.error().text();
  EXPECT_EQ(added->version, release);
  const auto modules = common::read_file(added->modules_path, std::size_t{64} << 20U);
  ASSERT_TRUE(modules) << modules.error().text();
  EXPECT_NE(modules->find("modules/xen_blkfront.ko"), std::string::npos);
}

TEST(Init, IsSmallAndNeedsNothing) {
  const std::string stripped = testing::TempDir() + "/krata-init.stripped";
  const std::string command =
      fmt::format("strip -o {0} {1} && ! readelf -l {0} | grep -q INTERP", stripped, KRATA_INIT_PROGRAM);
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_LE(std::filesystem::file_size(stripped), kMaxInitBytes);
}

}  // namespace
}  // namespace krata::zone_tests
