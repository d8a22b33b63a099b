// The resolver against a DNS server (dnsmasq) in a network namespace of its own, with /etc/resolv.conf and /etc/hosts
// of its own. Needs root.
#include "krait/keeper/resolver.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "common/netlink/links.h"

namespace krait::keeper {
namespace {

std::string put_over(const char* file, const std::string& text) {
  char path[] = "/tmp/krait-resolver.XXXXXX";
  const common::Fd fd(::mkstemp(path));
  std::ofstream(path) << text;
  ::umount2(file, MNT_DETACH);  // what an earlier call put there
  const bool done = fd.valid() && ::mount(path, file, nullptr, MS_BIND, nullptr) == 0;
  ::unlink(path);
  return done ? "" : std::string("mount over ") + file + ": " + std::strerror(errno);
}

// A DNS server on 127.0.0.1:53, ended with the object.
class DnsServer {
 public:
  explicit DnsServer(std::vector<const char*> records) {
    int pipe[2];
    if (::pipe2(pipe, O_CLOEXEC) != 0) {
      return;
    }
    std::vector<const char*> command{"dnsmasq",    "--keep-in-foreground",       "--conf-file=/dev/null", "--no-resolv",
                                     "--no-hosts", "--listen-address=127.0.0.1", "--bind-interfaces",     "--user=root",
                                     "--pid-file", "--log-facility=-",           "--local=/example/"};
    command.insert(command.end(), records.begin(), records.end());
    command.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(pipe[1], STDERR_FILENO);
      ::execvp("dnsmasq", const_cast<char* const*>(command.data()));
      ::_exit(127);
    }
    ::close(pipe[1]);
    log_ = common::Fd(pipe[0]);
    std::string said;
    char byte = 0;
    while (!started_ && ::read(log_.get(), &byte, 1) == 1) {
      said += byte;
      started_ = said.find("started, ") != std::string::npos;
    }
    EXPECT_TRUE(started_) << said;
  }
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;
  ~DnsServer() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }

 private:
  pid_t pid_ = -1;
  common::Fd log_;
  bool started_ = false;
};

class ResolverTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "skipped: needs root";
    }
    ASSERT_EQ(::unshare(CLONE_NEWNET | CLONE_NEWNS), 0) << std::strerror(errno);
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0) << std::strerror(errno);
    ASSERT_EQ(put_over("/etc/resolv.conf", "nameserver 127.0.0.1\n"), "");
    ASSERT_EQ(put_over("/etc/hosts", "127.0.0.1 localhost\n192.0.2.9 listed.example\n"), "");
    auto links = netlink::Links::open();
    ASSERT_TRUE(links) << links.error().text();
    ASSERT_TRUE(links->set_up(1));  // lo
    auto loop = common::Loop::create();
    ASSERT_TRUE(loop) << loop.error().text();
    loop_ = std::move(*loop);
    auto resolver = Resolver::create(*loop_, [this](const std::vector<Found>& answers) { take(answers); });
    ASSERT_TRUE(resolver) << resolver.error().text();
    resolver_ = std::move(*resolver);
  }

  void take(const std::vector<Found>& answers) {
    ++calls_;
    for (const Found& answer : answers) {
      EXPECT_TRUE(answers_.emplace(answer.name, answer).second) << answer.name << " came twice";
    }
    if (answers_.size() < awaited_) {
      return;
    }
    if (const auto next = std::exchange(next_, {})) {
      next();
    } else {
      loop_->stop();
    }
  }

  // Runs the loop until every name has its answer.
  void look_up(const std::vector<std::string>& names) {
    awaited_ = names.size();
    for (const std::string& name : names) {
      resolver_->look_up(name);
      resolver_->look_up(name);
    }
    EXPECT_TRUE(answers_.empty()) << "answered before the loop ran";
    ASSERT_TRUE(loop_->run());
  }

  std::string text(const std::string& name) {
    std::string text;
    for (const common::Ip& ip : answers_[name].addresses) {
      text += (text.empty() ? "" : " ") + ip.text();
    }
    return text;
  }

  std::unique_ptr<common::Loop> loop_;
  std::unique_ptr<Resolver> resolver_;
  std::map<std::string, Found> answers_;
  std::function<void()> next_;  // instead of ending, once
  std::size_t awaited_ = 0;
  std::size_t calls_ = 0;
};

TEST_F(ResolverTest, FindsAddressesOfBothFamilies) {
  const DnsServer server({"--address=/db.example/192.0.2.1", "--address=/six.example/2001:db8::6",
                          "--host-record=both.example,192.0.2.2,2001:db8::2"});
  look_up({"db.example", "six.example", "both.example", "listed.example", "missing.example"});
  EXPECT_EQ(text("db.example"), "192.0.2.1");
  EXPECT_EQ(text("six.example"), "2001:db8::6");
  EXPECT_EQ(answers_["both.example"].addresses.size(), 2U);
  EXPECT_EQ(text("listed.example"), "192.0.2.9");
  EXPECT_EQ(text("missing.example"), "");
  EXPECT_EQ(answers_["db.example"].failure, "");
  EXPECT_EQ(answers_["missing.example"].failure, "Domain name not found");
}

TEST_F(ResolverTest, ManyNamesComeInFewCalls) {
  const DnsServer server({"--address=/many.example/192.0.2.1"});
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) {
    names.push_back("h" + std::to_string(i) + ".many.example");
  }
  look_up(names);
  for (const std::string& name : names) {
    EXPECT_EQ(text(name), "192.0.2.1") << answers_[name].failure;
  }
  EXPECT_LT(calls_, 50U);
}

TEST_F(ResolverTest, WithoutAServerItFails) {
  look_up({"db.example"});
  EXPECT_EQ(text("db.example"), "");
  EXPECT_NE(answers_["db.example"].failure, "");
}

TEST_F(ResolverTest, TheNextLookUpReadsTheServersAnew) {
  std::optional<DnsServer> server;
  next_ = [&] {
    EXPECT_NE(answers_["new.example"].failure, "");
    EXPECT_NE(answers_["db.example"].failure, "");
    answers_.clear();
    server.emplace(std::vector<const char*>{"--address=/db.example/192.0.2.1"});
    EXPECT_EQ(put_over("/etc/hosts", "192.0.2.44 new.example\n"), "");
    resolver_->look_up("db.example");
    resolver_->look_up("new.example");
  };
  look_up({"db.example", "new.example"});
  EXPECT_EQ(text("db.example"), "192.0.2.1");
  EXPECT_EQ(text("new.example"), "192.0.2.44");
}

TEST_F(ResolverTest, EndsWithQueriesUnderWay) {
  const DnsServer server({"--address=/db.example/192.0.2.1"});
  awaited_ = 1;
  resolver_->look_up("db.example");
  resolver_->look_up("listed.example");
  resolver_.reset();
  EXPECT_TRUE(answers_.empty());
}

}  // namespace
}  // namespace krait::keeper
