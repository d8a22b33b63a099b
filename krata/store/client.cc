#include "krata/store/client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <tuple>
#include <utility>

#include "common/event/unix_socket.h"

namespace krata::store {

using common::Error;
using common::ErrorCode;
using common::Fd;
using common::Result;

namespace {

constexpr std::size_t kMaxAtOnce = 64;     // requests before their answers are read
constexpr std::size_t kMaxEvents = 65536;  // that wait here

Error gone(const std::string& path) {
  return {ErrorCode::unavailable, fmt::format("nobody answers for xenstore at {}; see the log of krata-store", path)};
}

// The names are the protocol's (docs/misc/xenstore.txt of Xen).
Error refused(std::string_view name, std::string_view what) {
  const ErrorCode code = name == "ENOENT"                      ? ErrorCode::not_found
                         : name == "EACCES" || name == "EPERM" ? ErrorCode::permission
                         : name == "ENOSPC" || name == "E2BIG" ? ErrorCode::limit
                                                               : ErrorCode::invalid_input;
  return {code, fmt::format("xenstore refuses {}: {}", what, name)};
}

std::string with_nul(std::string_view text) {
  std::string bytes(text);
  bytes.push_back('\0');
  return bytes;
}

std::string permissions_payload(const std::string& path, const std::vector<std::string>& permissions) {
  std::string payload = with_nul(path);
  for (const std::string& permission : permissions) {
    payload += with_nul(permission);
  }
  return payload;
}

Result<Fd> open_device() {
  Fd device(::open(kDevice, O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!device.valid()) {
    return Error::from_errno(errno, fmt::format("open {}", kDevice));
  }
  return device;
}

Result<Fd> open_socket(const std::string& path) {
  KRAIT_TRY(auto fd, common::connect_unix(path, {.by = "xenstore", .start = "systemctl start krata-store"}));
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) {
    return Error::from_errno(errno, "set up the connection to " + path);
  }
  return fd;
}

}  // namespace

Result<std::unique_ptr<StoreClient>> StoreClient::connect(const std::string& path) {
  if (!path.empty()) {
    KRAIT_TRY(auto fd, path == kDevice ? open_device() : open_socket(path));
    return std::unique_ptr<StoreClient>(new StoreClient(path, std::move(fd)));
  }
  for (const char* socket : {kOwnSocket, kOtherSocket}) {
    if (auto fd = open_socket(socket)) {
      return std::unique_ptr<StoreClient>(new StoreClient(socket, std::move(*fd)));
    }
  }
  KRAIT_TRY(auto device, open_device(), "no xenstore answers; start it: systemctl start krata-store");
  return std::unique_ptr<StoreClient>(new StoreClient(kDevice, std::move(device)));
}

Result<void> StoreClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd_.get(), bytes.data(), bytes.size());
    if (put >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(put));
      continue;
    }
    pollfd waiting{.fd = fd_.get(), .events = POLLOUT, .revents = 0};
    if (errno == EINTR || (errno == EAGAIN && ::poll(&waiting, 1, kAnswerPatienceMs) == 1)) {
      continue;
    }
    return gone(path_);
  }
  return {};
}

// False: nothing came in time.
Result<bool> StoreClient::receive_some(int wait_ms) {
  pollfd waiting{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  if (const int come = ::poll(&waiting, 1, wait_ms); come <= 0) {
    return come == 0 || errno == EINTR ? Result<bool>(false) : gone(path_);
  }
  std::array<char, 16384> chunk;
  const ssize_t got = ::read(fd_.get(), chunk.data(), chunk.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
    return false;
  }
  if (got <= 0) {
    return gone(path_);
  }
  bytes_.append(chunk.data(), static_cast<std::size_t>(got));
  return true;
}

std::optional<std::pair<Header, std::string>> StoreClient::take_message() {
  while (bytes_.size() >= kHeaderBytes) {
    const Header header = read_header(bytes_);
    const std::size_t bytes = kHeaderBytes + header.payload_bytes;
    if (bytes_.size() < bytes) {
      return std::nullopt;
    }
    std::string payload = bytes_.substr(kHeaderBytes, header.payload_bytes);
    bytes_.erase(0, bytes);
    if (header.operation != static_cast<std::uint32_t>(Operation::watch_event)) {
      return std::pair(header, std::move(payload));
    }
    if (const auto strings = strings_of(payload); strings && strings->size() >= 2 && events_.size() < kMaxEvents) {
      events_.push_back({.path = std::string((*strings)[0]), .token = std::string((*strings)[1])});
    }
  }
  return std::nullopt;
}

Result<std::string> StoreClient::ask(Operation operation, std::string payload) {
  const std::array requests{Request{operation, std::move(payload)}};
  KRAIT_CHECK(send_all(requests));
  return answer_to(last_request_, requests.front().payload);
}

Result<void> StoreClient::send_all(std::span<const Request> requests) {
  std::string bytes;
  for (const Request& request : requests) {
    if (request.payload.size() > kMaxPayloadBytes) {
      return Error(ErrorCode::limit, fmt::format("a request to xenstore has at most {} bytes", kMaxPayloadBytes));
    }
    append_message(bytes, {.operation = static_cast<std::uint32_t>(request.operation), .request = ++last_request_},
                   request.payload);
    if (path_ == kDevice) {  // which takes one with a write
      KRAIT_CHECK(send(std::exchange(bytes, {})));
    }
  }
  return send(bytes);
}

// The answers to all of them, in their order.
std::vector<Result<std::string>> StoreClient::ask_all(std::span<const Request> requests) {
  std::vector<Result<std::string>> answers;
  answers.reserve(requests.size());
  while (!requests.empty()) {
    const auto some = requests.first(std::min(requests.size(), kMaxAtOnce));
    requests = requests.subspan(some.size());
    std::uint32_t number = last_request_;
    const auto sent = send_all(some);
    for (const Request& request : some) {
      answers.push_back(sent ? answer_to(++number, request.payload) : Result<std::string>(sent.error()));
    }
  }
  return answers;
}

// `payload`: the request's own.
Result<std::string> StoreClient::answer_to(std::uint32_t number, std::string_view payload) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kAnswerPatienceMs);
  for (;;) {
    if (auto answer = take_message()) {
      if (answer->first.request != number) {
        continue;  // of a request that was given up
      }
      if (answer->first.operation == static_cast<std::uint32_t>(Operation::error)) {
        const std::string_view name(answer->second.c_str());
        return refused(name, payload.substr(0, payload.find('\0')));
      }
      return std::move(answer->second);
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      return gone(path_);
    }
    KRAIT_TRY([[maybe_unused]] const bool some, receive_some(static_cast<int>(left.count())));
  }
}

Result<std::string> StoreClient::read(const std::string& path) { return ask(Operation::read, with_nul(path)); }

Result<std::optional<std::string>> StoreClient::find(const std::string& path) {
  auto value = read(path);
  if (value) {
    return std::optional<std::string>(std::move(*value));
  }
  return value.error().code() == ErrorCode::not_found ? Result<std::optional<std::string>>(std::nullopt)
                                                      : std::move(value.error());
}

Result<std::vector<std::string>> StoreClient::directory(const std::string& path) {
  std::string names;
  std::string generation;
  for (;;) {
    auto part = ask(Operation::directory_part, with_nul(path) + with_nul(std::to_string(names.size())));
    if (!part && part.error().code() == ErrorCode::invalid_input && names.empty()) {
      KRAIT_TRY(names, ask(Operation::directory, with_nul(path)));  // a store without DIRECTORY_PART
      break;
    }
    KRAIT_TRY(const auto text, std::move(part));
    const std::string now(text.begin(), std::ranges::find(text, '\0'));
    if (!names.empty() && now != generation) {
      names.clear();  // it has changed meanwhile: from the beginning
      generation.clear();
      continue;
    }
    generation = now;
    names += text.substr(std::min(text.size(), now.size() + 1));
    if (names.empty() || names.ends_with(std::string_view("\0\0", 2)) || names == std::string_view("\0", 1)) {
      names.resize(names.empty() ? 0 : names.size() - 1);
      break;
    }
  }
  std::vector<std::string> list;
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t end = std::min(names.find('\0', at), names.size());
    list.push_back(names.substr(at, end - at));
    at = end + 1;
  }
  return list;
}

Result<void> StoreClient::write(const std::string& path, std::string_view value) {
  KRAIT_TRY([[maybe_unused]] const auto done, ask(Operation::write, with_nul(path).append(value)));
  return {};
}

Result<void> StoreClient::write(std::span<const NewNode> nodes) {
  std::vector<Request> requests;
  for (const NewNode& node : nodes) {
    requests.push_back({Operation::write, with_nul(node.path).append(node.value)});
    if (!node.permissions.empty()) {
      requests.push_back({Operation::set_permissions, permissions_payload(node.path, node.permissions)});
    }
  }
  for (auto& answer : ask_all(requests)) {
    KRAIT_TRY([[maybe_unused]] const auto done, std::move(answer));
  }
  return {};
}

Result<std::map<std::string, std::string, std::less<>>> StoreClient::read_all(const std::string& path) {
  KRAIT_TRY(const auto names, directory(path));
  std::vector<Request> requests;
  requests.reserve(names.size());
  for (const std::string& name : names) {
    requests.push_back({Operation::read, with_nul(fmt::format("{}/{}", path, name))});
  }
  auto answers = ask_all(requests);
  std::map<std::string, std::string, std::less<>> values;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (answers[i]) {
      values.emplace(names[i], std::move(*answers[i]));
    } else if (answers[i].error().code() != ErrorCode::not_found) {  // one that has gone meanwhile is none
      return std::move(answers[i].error());
    }
  }
  return values;
}

Result<void> StoreClient::remove(const std::string& path) {
  auto done = ask(Operation::remove, with_nul(path));
  if (done || done.error().code() == ErrorCode::not_found) {
    return {};
  }
  return std::move(done.error());
}

Result<void> StoreClient::set_permissions(const std::string& path, const std::vector<std::string>& permissions) {
  KRAIT_TRY([[maybe_unused]] const auto done, ask(Operation::set_permissions, permissions_payload(path, permissions)));
  return {};
}

Result<void> StoreClient::introduce(std::uint32_t domain, std::uint64_t ring_frame, std::uint32_t port) {
  KRAIT_TRY([[maybe_unused]] const auto done,
            ask(Operation::introduce, with_nul(std::to_string(domain)) + with_nul(std::to_string(ring_frame)) +
                                          with_nul(std::to_string(port))));
  return {};
}

Result<void> StoreClient::release(std::uint32_t domain) {
  KRAIT_TRY([[maybe_unused]] const auto done, ask(Operation::release, with_nul(std::to_string(domain))));
  return {};
}

Result<std::map<std::string, std::uint64_t>> StoreClient::requests() {
  KRAIT_TRY(const std::string text, ask(Operation::control, with_nul("requests")));
  std::map<std::string, std::uint64_t> counts;
  for (std::string_view left = text; !left.empty();) {
    const std::string_view line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(left.size(), line.size() + 1));
    const auto colon = line.find(": ");
    std::uint64_t count = 0;
    if (colon != std::string_view::npos &&
        std::from_chars(line.data() + colon + 2, line.data() + line.size(), count).ec == std::errc()) {
      counts.emplace(line.substr(0, colon), count);
    }
  }
  return counts;
}

Result<void> StoreClient::watch(const std::string& path, const std::string& token) {
  KRAIT_TRY([[maybe_unused]] const auto done, ask(Operation::watch, with_nul(path) + with_nul(token)));
  return {};
}

Result<void> StoreClient::unwatch(const std::string& path, const std::string& token) {
  KRAIT_TRY([[maybe_unused]] const auto done, ask(Operation::unwatch, with_nul(path) + with_nul(token)));
  return {};
}

Result<std::optional<WatchEvent>> StoreClient::next_event() {
  for (;;) {
    std::ignore = take_message();  // an answer that came too late
    if (!events_.empty()) {
      WatchEvent event = std::move(events_.front());
      events_.pop_front();
      return std::optional(std::move(event));
    }
    KRAIT_TRY(const bool some, receive_some(0));
    if (!some) {
      return std::optional<WatchEvent>();
    }
  }
}

}  // namespace krata::store
