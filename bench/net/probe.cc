#include "bench/net/probe.h"

#include <sys/socket.h>

#include <array>
#include <memory>
#include <utility>

namespace krait::bench {
namespace {

constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::milliseconds kPause{1};

}  // namespace

common::Result<std::unique_ptr<Probe>> Probe::make(const Arena& arena) {
  KRAIT_TRY(auto ends, udp_ends(arena, Way::to_guarded));
  auto sender = std::make_shared<common::Fd>(std::move(ends.sender));
  const auto send = [sender] {
    const std::array<char, 8> bytes{};
    ::send(sender->get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  };
  return std::make_unique<Probe>(send, std::move(ends.receiver));
}

Probe::Probe(std::function<void()> send, common::Fd receiver)
    : send_(std::move(send)), receiver_(std::move(receiver)), thread_([this] { work(); }) {}

Probe::~Probe() {
  phase_ = Phase::ending;
  phase_.notify_one();
  thread_.join();
}

void Probe::begin() {
  std::array<char, 8> byte{};
  while (::recv(receiver_.get(), byte.data(), byte.size(), MSG_DONTWAIT) >= 0) {
  }
  phase_ = Phase::sending;
  phase_.notify_one();
}

void Probe::work() {
  run_on_cpu(0);
  std::array<char, 8> byte{};
  while (phase_ != Phase::ending) {
    phase_.wait(Phase::idle);
    while (phase_ == Phase::sending) {
      send_();
      if (::recv(receiver_.get(), byte.data(), byte.size(), MSG_DONTWAIT) < 0) {
        continue;
      }
      arrival_ = std::chrono::steady_clock::now();
      Phase sending = Phase::sending;
      phase_.compare_exchange_strong(sending, Phase::idle);
    }
  }
}

common::Result<Probe::Time> Probe::arrival() {
  const Time start = std::chrono::steady_clock::now();
  while (phase_ == Phase::sending) {
    if (std::chrono::steady_clock::now() - start > kPatience) {
      phase_ = Phase::idle;
      return common::Error(common::ErrorCode::system, "no packet came through after the rules were changed");
    }
    std::this_thread::sleep_for(kPause);
  }
  return arrival_;
}

}  // namespace krait::bench
