#include "krait/doctor/nftables.h"

#include <fmt/format.h>
#include <nftables/libnftables.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <memory>

#include "common/file.h"

namespace krait::doctor {

namespace {

constexpr std::size_t kMaxBuiltinsBytes = std::size_t{4} << 20U;

// Whether a question to nftables would load its module: it is none that is loaded, nor built in.
bool is_not_loaded() {
  if (::access("/sys/module/nf_tables", F_OK) == 0) {
    return false;
  }
  utsname names{};
  ::uname(&names);
  const auto builtin =
      common::read_file(fmt::format("/lib/modules/{}/modules.builtin", names.release), kMaxBuiltinsBytes);
  // Where no modules are installed none can be loaded either.
  return builtin && builtin->find("/nf_tables.ko") == std::string::npos;
}

struct ContextCloser {
  void operator()(nft_ctx* context) const { nft_ctx_free(context); }
};

}  // namespace

common::Result<std::string> list_ruleset() {
  if (is_not_loaded()) {
    return std::string(R"({"nftables":[]})");
  }
  if (::geteuid() != 0) {  // the library would print to standard error
    return common::Error(common::ErrorCode::permission, "only root may read nftables");
  }
  const std::unique_ptr<nft_ctx, ContextCloser> context(nft_ctx_new(NFT_CTX_DEFAULT));
  if (!context) {
    return common::Error(common::ErrorCode::system, "libnftables has no memory");
  }
  nft_ctx_output_set_flags(context.get(), NFT_CTX_OUTPUT_JSON);
  nft_ctx_buffer_output(context.get());
  nft_ctx_buffer_error(context.get());
  if (nft_run_cmd_from_buffer(context.get(), "list ruleset") != 0) {
    std::string why = nft_ctx_get_error_buffer(context.get());
    why = why.substr(0, why.find('\n'));
    return common::Error(common::ErrorCode::system, fmt::format("nftables cannot be read: {}", why));
  }
  return std::string(nft_ctx_get_output_buffer(context.get()));
}

}  // namespace krait::doctor
