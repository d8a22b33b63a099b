// TLS 1.3 with pinned keys, ALPN "krait/1". Sessions are resumed; who is at the other end is asked of the session then,
// so that a key that was struck off is refused all the same.
#pragma once

#include <memory>
#include <string>

#include "common/result.h"
#include "krait/wire/key_pair.h"
#include "krait/wire/openssl.h"

namespace krait::wire {

enum class Side : std::uint8_t { client, server };

// One side's settings; outlives its connections. Not thread-safe.
class Tls {
 public:
  // Has the process ignore SIGPIPE from then on.
  static common::Result<std::unique_ptr<Tls>> create(Side side, const KeyPair& key);
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;
  ~Tls();

  [[nodiscard]] Side side() const { return side_; }
  // For a connection over `fd`, which the caller owns. A client goes on with the last session, if there was one.
  common::Result<Owned<ssl_st>> start(int fd);
  void forget_session();

 private:
  friend struct TlsCallbacks;
  Tls(Side side, Owned<ssl_ctx_st> context);

  Side side_;
  Owned<ssl_ctx_st> context_;
  Owned<ssl_session_st> session_;  // a client's last one
};

// Of a connection that has shaken hands. Fails where the other end showed no key of P-256, or speaks no krait/1.
common::Result<KeyHash> peer_hash(ssl_st& ssl);

}  // namespace krait::wire
