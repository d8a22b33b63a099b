#include "krait/wire/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string_view>

namespace krait::wire {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

// RFC 7301: a length and the name.
constexpr std::array<unsigned char, 8> kProtocol{7, 'k', 'r', 'a', 'i', 't', '/', '1'};

constexpr std::array<unsigned char, 5> kSessionContext{'k', 'r', 'a', 'i', 't'};

// Longer than the time between two attempts of a link, shorter than a day's worth of stolen memory.
constexpr long kSessionSeconds = 12L * 3600;

}  // namespace

struct TlsCallbacks {
  // Every certificate will do: its key is looked up once hands were shaken.
  static int accept_any(X509_STORE_CTX* /*store*/, void* /*arg*/) { return 1; }

  static int choose_protocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                             unsigned in_size, void* /*arg*/) {
    const std::string_view offered(reinterpret_cast<const char*>(in), in_size);
    const std::string_view ours(reinterpret_cast<const char*>(kProtocol.data()), kProtocol.size());
    for (std::size_t at = 0; at < offered.size(); at += 1 + static_cast<unsigned char>(offered[at])) {
      if (offered.substr(at, ours.size()) == ours) {
        *out = kProtocol.data() + 1;
        *out_size = kProtocol[0];
        return SSL_TLSEXT_ERR_OK;
      }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }

  static int keep_session(SSL* ssl, SSL_SESSION* session) {
    auto* tls = static_cast<Tls*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    tls->session_.reset(session);
    return 1;  // it is ours now
  }
};

namespace {

bool set_up(SSL_CTX* context, Side side, const KeyAndCertificate& own) {
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);  // frames say where they end
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context, TlsCallbacks::accept_any, nullptr);
  SSL_CTX_set_timeout(context, kSessionSeconds);
  SSL_CTX_set_max_early_data(context, 0);
  if (side == Side::server) {
    SSL_CTX_set_alpn_select_cb(context, TlsCallbacks::choose_protocol, nullptr);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets hold it all
    SSL_CTX_set_session_id_context(context, kSessionContext.data(), kSessionContext.size());
  } else {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, TlsCallbacks::keep_session);
    if (SSL_CTX_set_alpn_protos(context, kProtocol.data(), kProtocol.size()) != 0) {
      return false;
    }
  }
  return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set1_groups_list(context, "X25519:P-256") == 1 &&
         SSL_CTX_use_certificate(context, own.certificate.get()) == 1 &&
         SSL_CTX_use_PrivateKey(context, own.key.get()) == 1;
}

}  // namespace

Tls::Tls(Side side, Owned<ssl_ctx_st> context) : side_(side), context_(std::move(context)) {}
Tls::~Tls() = default;

Result<std::unique_ptr<Tls>> Tls::create(Side side, const KeyPair& key) {
  // OpenSSL writes without MSG_NOSIGNAL: whoever goes away in between would end the whole process.
  std::signal(SIGPIPE, SIG_IGN);
  KRAIT_TRY(const auto own, read_pem(key.pem));
  Owned<ssl_ctx_st> context(SSL_CTX_new(side == Side::server ? TLS_server_method() : TLS_client_method()));
  if (!context || !set_up(context.get(), side, own)) {
    return openssl_error("set TLS up");
  }
  std::unique_ptr<Tls> tls(new Tls(side, std::move(context)));
  SSL_CTX_set_app_data(tls->context_.get(), tls.get());
  return tls;
}

Result<Owned<ssl_st>> Tls::start(int fd) {
  Owned<ssl_st> ssl(SSL_new(context_.get()));
  if (!ssl || SSL_set_fd(ssl.get(), fd) != 1) {
    return openssl_error("start TLS");
  }
  if (side_ == Side::server) {
    SSL_set_accept_state(ssl.get());
    return ssl;
  }
  SSL_set_connect_state(ssl.get());
  if (session_) {
    SSL_set_session(ssl.get(), session_.get());
  }
  return ssl;
}

void Tls::forget_session() { session_.reset(); }

Result<KeyHash> peer_hash(ssl_st& ssl) {
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(&ssl, &protocol, &size);
  if (size != kProtocol[0]) {
    return Error(ErrorCode::invalid_input, "the other end does not speak krait/1");
  }
  X509* certificate = SSL_get0_peer_certificate(&ssl);
  if (certificate == nullptr) {
    return Error(ErrorCode::invalid_input, "the other end shows no key");
  }
  return hash_of_key(*certificate);
}

}  // namespace krait::wire
