// The program krata-store as its clients see it: over its socket, and killed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "common/fd.h"
#include "common/test_folder.h"
#include "tests/store/wire_client.h"

namespace krata::store {

namespace {

namespace fs = std::filesystem;
using enum Operation;

std::string bytes_of(std::string text) {
  std::ranges::replace(text, '|', '\0');
  return text;
}

// The program on a socket of its own, with a state if wanted. The destructor kills it.
class Program {
 public:
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { end(SIGKILL); }

  // False: it does not come up. As a service manager does, waits until the program says that it is ready: from then on
  // a client is answered.
  bool start(bool keeps_state = false) {
    const common::Fd notices(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const std::string path = folder_.at("notices");
    ::unlink(path.c_str());
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    const timeval patience{.tv_sec = 30, .tv_usec = 0};
    ::setsockopt(notices.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (::bind(notices.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      return false;
    }
    process_ = ::fork();
    if (process_ == 0) {
      ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
      const std::string state = folder_.at("state");
      const int output = ::open(folder_.at("output").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
      ::dup2(output, STDERR_FILENO);
      ::execl(KRATA_STORE_PROGRAM, "krata-store", "--socket", socket().c_str(), "--without-xen",
              keeps_state ? "--state" : nullptr, state.c_str(), nullptr);
      ::_exit(127);
    }
    std::array<char, 256> notice{};
    const ssize_t bytes = ::recv(notices.get(), notice.data(), notice.size(), 0);
    return std::string_view(notice.data(), bytes < 0 ? 0 : static_cast<std::size_t>(bytes)).starts_with("READY=1\n") &&
           connect_socket(socket()) != nullptr;
  }
  int end(int signal) {
    int status = 0;
    if (process_ > 0) {
      ::kill(process_, signal);
      ::waitpid(process_, &status, 0);
      process_ = -1;
    }
    return status;
  }
  [[nodiscard]] std::string socket() const { return folder_.at("socket"); }
  [[nodiscard]] std::string output() const {
    std::ifstream file(folder_.at("output"));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  WireClient client() const { return WireClient(connect_socket(socket())); }
  [[nodiscard]] std::size_t resident_bytes() const {
    std::ifstream file("/proc/" + std::to_string(process_) + "/statm");
    std::size_t all = 0;
    std::size_t resident = 0;
    file >> all >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  }

 private:
  common::TestFolder folder_;
  pid_t process_ = -1;
};

TEST(Program, AnswersRequestsInAnyPiecesAndInOrder) {
  Program program;
  ASSERT_TRUE(program.start());
  WireClient client = program.client();
  std::string stream;
  for (std::uint32_t i = 0; i < 300; ++i) {
    stream += message(Operation::write, bytes_of("/n/" + std::to_string(i) + "|v"), i);
  }
  const std::size_t slow = 2000;
  for (std::size_t i = 0; i < slow; ++i) {
    ASSERT_TRUE(client.send(std::string_view(stream).substr(i, 1)));
  }
  ASSERT_TRUE(client.send(std::string_view(stream).substr(slow)));
  for (std::uint32_t i = 0; i < 300; ++i) {
    const auto received = client.receive();
    ASSERT_TRUE(received.has_value());
    EXPECT_EQ(received->request, i);
    EXPECT_EQ(received->payload, bytes_of("OK|"));
  }
}

TEST(Program, IsHeldUpByNoClient) {
  Program program;
  ASSERT_TRUE(program.start());
  WireClient half = program.client();
  ASSERT_TRUE(half.send(message(Operation::read, bytes_of("/|")).substr(0, 17)));
  WireClient too_long = program.client();
  std::string bytes = message(Operation::read, std::string(kMaxPayloadBytes + 1, 'x'));
  ASSERT_TRUE(too_long.send(bytes.substr(0, kHeaderBytes)));
  EXPECT_FALSE(too_long.receive().has_value()) << "its connection has ended";
  WireClient other = program.client();
  EXPECT_EQ(other.answer(Operation::read, bytes_of("/|"))->payload, "");
  ASSERT_TRUE(half.send(message(Operation::read, bytes_of("/|")).substr(17)));
  EXPECT_EQ(half.receive()->payload, "") << "the rest came later";
}

// Sends as long as the program takes anything; gives how many messages went out whole.
std::size_t flood(int fd, const std::string& request, std::size_t most) {
  for (std::size_t sent = 0; sent < most; ++sent) {
    for (std::size_t at = 0; at < request.size();) {
      const ssize_t put = ::send(fd, request.data() + at, request.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (put > 0) {
        at += static_cast<std::size_t>(put);
        continue;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      const ssize_t again = ::send(fd, request.data() + at, request.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (again <= 0) {
        return sent;
      }
      at += static_cast<std::size_t>(again);
    }
  }
  return most;
}

common::Fd raw_client(const Program& program) {
  common::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::ranges::copy(program.socket(), address.sun_path);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  return fd;
}

TEST(Program, ReadsNothingMoreFromWhoDoesNotRead) {
  Program program;
  ASSERT_TRUE(program.start());
  WireClient other = program.client();
  other.answer(Operation::write, bytes_of("/big|") + std::string(4000, 'x'));
  const std::size_t before = program.resident_bytes();
  const common::Fd client = raw_client(program);
  constexpr std::size_t kMany = 200'000;
  const std::size_t sent = flood(client.get(), message(Operation::read, bytes_of("/big|")), kMany);
  EXPECT_LT(sent, kMany) << "it was read from all the while";
#ifndef KRAIT_SANITIZED
  EXPECT_LT(program.resident_bytes(), before + (2U << 20U));
#else
  static_cast<void>(before);
#endif
  EXPECT_EQ(other.answer(Operation::read, bytes_of("/|"))->payload, "") << "the others are served";
  std::string got;
  std::array<char, 65536> chunk;
  while (got.size() < sent * 4016) {
    const ssize_t read = ::recv(client.get(), chunk.data(), chunk.size(), 0);
    ASSERT_GT(read, 0) << "all answers come, after " << got.size() << " bytes";
    got.append(chunk.data(), static_cast<std::size_t>(read));
  }
}

TEST(Program, LetsGoOfAWatcherThatDoesNotRead) {
  Program program;
  ASSERT_TRUE(program.start());
  const common::Fd watcher = raw_client(program);
  const std::string watch = message(Operation::watch, bytes_of("/|" + std::string(1000, 't') + "|"));
  ASSERT_EQ(::send(watcher.get(), watch.data(), watch.size(), MSG_NOSIGNAL), static_cast<ssize_t>(watch.size()));
  WireClient writer = program.client();
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(writer.answer(Operation::write, bytes_of("/w/" + std::to_string(i % 1500) + "|v"))->payload,
              bytes_of("OK|"));
  }
  std::array<char, 65536> chunk;
  ssize_t read = 1;
  std::size_t got = 0;
  while ((read = ::recv(watcher.get(), chunk.data(), chunk.size(), 0)) > 0) {
    got += static_cast<std::size_t>(read);
  }
  EXPECT_EQ(read, 0) << "its connection has ended";
  EXPECT_LT(got, 2U << 20U);
}

TEST(Program, EndsWithItsFilesAndServesAPathOnce) {
  Program program;
  ASSERT_TRUE(program.start());
  {
    const std::string command = std::string(KRATA_STORE_PROGRAM) + " --without-xen --socket " + program.socket() +
                                " 2>" + program.socket() + ".said";
    const int status = std::system(command.c_str());
    EXPECT_EQ(WEXITSTATUS(status), 2);
    std::ifstream said(program.socket() + ".said");
    EXPECT_NE(std::string(std::istreambuf_iterator<char>(said), {}).find("another process already serves"),
              std::string::npos);
  }
  EXPECT_EQ(program.end(SIGTERM), 0);
  EXPECT_FALSE(fs::exists(program.socket()));
  EXPECT_FALSE(fs::exists(program.socket() + ".lock"));
}

// --- Killed ---

// A tree that shares no code with the store's: paths with value and permissions.
using Model = std::map<std::string, std::pair<std::string, std::string>>;

struct Act {
  Operation operation = Operation::write;
  std::string path;
  std::string rest;  // value or permissions
};

void act_on(Model& model, const Act& act) {
  if (act.operation == Operation::remove) {
    std::erase_if(model,
                  [&](const auto& node) { return node.first == act.path || node.first.starts_with(act.path + "/"); });
    return;
  }
  if (act.operation == Operation::set_permissions) {
    if (const auto found = model.find(act.path); found != model.end()) {
      found->second.second = act.rest;
    }
    return;
  }
  std::string inherited = bytes_of("n0|");
  for (std::size_t slash = act.path.find('/', 1);; slash = act.path.find('/', slash + 1)) {
    const auto [node, is_new] = model.try_emplace(act.path.substr(0, slash), "", inherited);
    inherited = node->second.second;
    if (slash == std::string::npos) {
      node->second.first = act.rest;
      return;
    }
  }
}

// What one answer stands for: a request, or all that a transaction does when it ends.
struct Deed {
  std::vector<Act> acts;
  std::string requests;
  std::size_t answers = 1;
};

class Deeds {
 public:
  explicit Deeds(std::uint64_t seed) : random_(seed) {}

  Deed next() {
    Deed deed;
    if (random_() % 4 != 0) {
      deed.acts.push_back(act());
      deed.requests = request_of(deed.acts.front(), 0);
      return deed;
    }
    const std::uint32_t id = ++transactions_;
    deed.requests = message(transaction_start, bytes_of("|"));
    for (std::size_t i = 1 + random_() % 5; i > 0; --i) {
      deed.acts.push_back(act());
      deed.requests += request_of(deed.acts.back(), id);
    }
    deed.requests += message(transaction_end, bytes_of("T|"), 1, id);
    deed.answers = deed.acts.size() + 2;
    return deed;
  }
  // Numbers of transactions begin anew with each connection.
  void reconnected() { transactions_ = 0; }

 private:
  Act act() {
    Act act{.path = "/" + std::to_string(random_() % 4) + "/" + std::to_string(random_() % 4), .rest = {}};
    switch (random_() % 6) {
      case 0:
        act.operation = Operation::remove;
        break;
      case 1:
        act.operation = Operation::set_permissions;
        act.rest = bytes_of("n0|r" + std::to_string(random_() % 50) + "|");
        break;
      default:
        act.path += "/" + std::to_string(random_() % 3);
        act.rest = std::string(random_() % 300, static_cast<char>('a' + random_() % 26));
    }
    return act;
  }
  static std::string request_of(const Act& act, std::uint32_t id) {
    return message(act.operation, act.path + std::string(1, '\0') + act.rest, 1, id);
  }

  std::mt19937_64 random_;
  std::uint32_t transactions_ = 0;
};

void read_below(WireClient& client, const std::string& path, Model& model) {
  const auto names = client.answer(directory, (path.empty() ? "/" : path) + std::string(1, '\0'));
  ASSERT_TRUE(names.has_value());
  for (std::string_view rest = names->payload; !rest.empty(); rest.remove_prefix(rest.find('\0') + 1)) {
    const std::string child = path + "/" + std::string(rest.substr(0, rest.find('\0')));
    model[child] = {client.answer(Operation::read, child + std::string(1, '\0'))->payload,
                    client.answer(get_permissions, child + std::string(1, '\0'))->payload};
    read_below(client, child, model);
  }
}

// Asks without waiting, is killed at some moment, and says what the store must hold then: one of the returned, from
// what was answered to all that was asked.
std::vector<Model> live_and_die(Program& program, Deeds& deeds, const Model& before, std::mt19937_64& random) {
  const common::Fd client = raw_client(program);
  std::thread killer([&, delay = random() % 30'000] {
    std::this_thread::sleep_for(std::chrono::microseconds(delay));
    program.end(SIGKILL);
  });
  std::vector<Deed> asked;
  std::string received;
  std::array<char, 65536> chunk;
  bool is_alive = true;
  while (is_alive) {
    asked.push_back(deeds.next());
    const std::string& requests = asked.back().requests;
    is_alive =
        ::send(client.get(), requests.data(), requests.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(requests.size());
    for (ssize_t got = 1; got > 0 && (got = ::recv(client.get(), chunk.data(), chunk.size(), MSG_DONTWAIT)) > 0;) {
      received.append(chunk.data(), static_cast<std::size_t>(got));
    }
  }
  for (ssize_t got = 1; (got = ::recv(client.get(), chunk.data(), chunk.size(), 0)) > 0;) {
    received.append(chunk.data(), static_cast<std::size_t>(got));
  }
  killer.join();
  std::size_t answers = 0;
  while (take_message(received)) {
    ++answers;
  }
  std::vector<Model> possible;
  Model model = before;
  for (const Deed& deed : asked) {
    if (answers < deed.answers) {
      possible.push_back(model);
      answers = 0;
    } else {
      answers -= deed.answers;
    }
    for (const Act& act : deed.acts) {
      act_on(model, act);
    }
  }
  possible.push_back(model);
  return possible;
}

TEST(Program, LosesNothingThatItAnsweredWhenKilled) {
  constexpr int kRounds = 30;
  Program program;
  std::mt19937_64 random(11);
  Deeds deeds(12);
  Model model;
  std::size_t between = 0;
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_TRUE(program.start(true)) << program.output();
    deeds.reconnected();
    const std::vector<Model> possible = live_and_die(program, deeds, model, random);
    ASSERT_TRUE(program.start(true)) << program.output();
    WireClient client = program.client();
    Model found;
    ASSERT_NO_FATAL_FAILURE(read_below(client, "", found));
    const auto match = std::ranges::find(possible, found);
    ASSERT_NE(match, possible.end()) << "round " << round << ": of " << possible.size() << " states it could have";
    between += match != possible.begin() ? 1 : 0;
    model = found;
    program.end(SIGKILL);
  }
  EXPECT_GT(model.size(), 10U);
  std::printf("in %zu of %d rounds it had done more than it had answered\n", between, kRounds);
}

}  // namespace

}  // namespace krata::store
