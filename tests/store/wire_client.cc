#include "tests/store/wire_client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <thread>
#include <utility>

#include <xen/io/xs_wire.h>

namespace krata::store {

namespace {

constexpr std::uint32_t kFirstPort = 100;  // xen_stand_in.c

class SocketWire : public Wire {
 public:
  explicit SocketWire(common::Fd fd) : fd_(std::move(fd)) {}

  bool put(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return false;
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  std::string get() override {
    pollfd wait{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    std::array<char, 65536> chunk;
    if (::poll(&wait, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) != 1) {
      return {};
    }
    const ssize_t got = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
    return got > 0 ? std::string(chunk.data(), static_cast<std::size_t>(got)) : std::string();
  }

 private:
  common::Fd fd_;
};

class RingWire : public Wire {
 public:
  RingWire(xenstore_domain_interface* ring, common::Fd events, std::uint32_t domain)
      : ring_(ring), events_(std::move(events)), port_(kFirstPort + domain) {}
  RingWire(const RingWire&) = delete;
  RingWire& operator=(const RingWire&) = delete;
  ~RingWire() override { ::munmap(ring_, sizeof(*ring_)); }

  bool put(std::string_view bytes) override {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!bytes.empty()) {
      const std::uint32_t producer = ring_->req_prod;
      const std::uint32_t taken = std::atomic_ref(ring_->req_cons).load();
      const auto count = std::min<std::size_t>(XENSTORE_RING_SIZE - (producer - taken), bytes.size());
      for (std::size_t i = 0; i < count; ++i) {
        ring_->req[MASK_XENSTORE_IDX(producer + i)] = bytes[i];
      }
      bytes.remove_prefix(count);
      std::atomic_ref(ring_->req_prod).store(static_cast<std::uint32_t>(producer + count));
      if (count != 0) {
        signal();
      } else if (std::chrono::steady_clock::now() > end) {
        return false;
      } else {
        std::this_thread::sleep_for(std::chrono::microseconds(20));
      }
    }
    return true;
  }

  std::string get() override {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::atomic_ref(ring_->rsp_prod).load() == ring_->rsp_cons) {
      if (std::chrono::steady_clock::now() > end) {
        return {};
      }
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
    std::string bytes;
    for (std::uint32_t at = ring_->rsp_cons; at != std::atomic_ref(ring_->rsp_prod).load(); ++at) {
      bytes += ring_->rsp[MASK_XENSTORE_IDX(at)];
    }
    std::atomic_ref(ring_->rsp_cons).store(static_cast<std::uint32_t>(ring_->rsp_cons + bytes.size()));
    signal();
    return bytes;
  }

 private:
  void signal() { static_cast<void>(::write(events_.get(), &port_, sizeof(port_)) == sizeof(port_)); }

  xenstore_domain_interface* ring_;
  common::Fd events_;
  std::uint32_t port_;
};

}  // namespace

std::string message(Operation operation, std::string_view payload, std::uint32_t request, std::uint32_t transaction) {
  std::string bytes;
  append_message(bytes, {.operation = std::to_underlying(operation), .request = request, .transaction = transaction},
                 payload);
  return bytes;
}

std::optional<Received> take_message(std::string& bytes) {
  if (bytes.size() < kHeaderBytes) {
    return std::nullopt;
  }
  const Header header = read_header(bytes);
  if (bytes.size() < kHeaderBytes + header.payload_bytes) {
    return std::nullopt;
  }
  Received received{.operation = header.operation,
                    .request = header.request,
                    .transaction = header.transaction,
                    .payload = bytes.substr(kHeaderBytes, header.payload_bytes)};
  bytes.erase(0, kHeaderBytes + header.payload_bytes);
  return received;
}

std::unique_ptr<Wire> connect_socket(const std::string& path) {
  common::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::ranges::copy(path, address.sun_path);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return nullptr;
  }
  return std::make_unique<SocketWire>(std::move(fd));
}

std::unique_ptr<Wire> connect_ring(const std::string& folder, std::uint32_t domain) {
  const common::Fd file(
      ::open((folder + "/ring-" + std::to_string(domain)).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  common::Fd events(::open((folder + "/events").c_str(), O_RDWR | O_CLOEXEC));
  if (::ftruncate(file.get(), 4096) != 0) {
    return nullptr;
  }
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (page == MAP_FAILED) {
    return nullptr;
  }
  std::memset(page, 0, 4096);
  return std::make_unique<RingWire>(static_cast<xenstore_domain_interface*>(page), std::move(events), domain);
}

std::optional<Received> WireClient::receive() {
  for (;;) {
    if (auto received = take_message(bytes_)) {
      return received;
    }
    const std::string more = wire_->get();
    if (more.empty()) {
      return std::nullopt;
    }
    bytes_ += more;
  }
}

std::vector<Received> WireClient::ask(Operation operation, std::string_view payload, std::uint32_t transaction) {
  std::vector<Received> all;
  const std::uint32_t request = ++last_request_;
  if (!send(message(operation, payload, request, transaction))) {
    return all;
  }
  while (auto received = receive()) {
    const bool is_answer = received->operation != std::to_underlying(Operation::watch_event);
    all.push_back(std::move(*received));
    if (is_answer) {
      break;
    }
  }
  return all;
}

std::optional<Received> WireClient::answer(Operation operation, std::string_view payload, std::uint32_t transaction) {
  auto all = ask(operation, payload, transaction);
  return all.empty() ? std::nullopt : std::optional(std::move(all.back()));
}

}  // namespace krata::store
