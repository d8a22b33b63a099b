#include "krata/image/registry_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "krata/image/download.h"
#include "krata/image/limits.h"
#include "krata/image/text.h"

namespace krata::image {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

constexpr std::array kManifestTypes{kOciIndex, kDockerList, kOciManifest, kDockerManifest};

std::string accept_header() {
  std::string header = "Accept: ";
  for (const char* type : kManifestTypes) {
    header += (header.ends_with(' ') ? "" : ", ") + std::string(type);
  }
  return header;
}

bool is_manifest(const std::string& media_type) {
  return std::ranges::any_of(kManifestTypes, [&](const char* type) { return media_type == type; });
}

struct Fetched {
  std::string text;
  HttpAnswer answer;
};

class RegistrySource : public Source {
 public:
  RegistrySource(std::unique_ptr<Registry> registry, HttpClient client, Keeper& keeper)
      : registry_(std::move(registry)), client_(std::move(client)), keeper_(keeper) {}

  Result<std::vector<Descriptor>> root() override {
    const Reference& wanted = registry_->reference();
    KRAIT_TRY(auto fetched, fetch("manifests/" + wanted.wanted(), limits::kDocumentBytes), wanted.text());
    ContentHasher hasher(wanted.digest ? wanted.digest->algorithm : DigestAlgorithm::sha256);
    hasher.add(fetched.text);
    Descriptor descriptor;
    descriptor.digest = hasher.digest();
    if (wanted.digest && descriptor.digest != *wanted.digest) {
      return refused("what the registry gives for {} is {}", wanted.text(), descriptor.digest.text());
    }
    KRAIT_CHECK(check_said_digest(fetched, descriptor.digest));
    const std::string type = fetched.answer.headers["content-type"];
    descriptor.media_type = type.substr(0, type.find_first_of("; "));
    descriptor.size_bytes = fetched.text.size();
    if (!is_manifest(descriptor.media_type)) {
      descriptor.media_type.clear();  // "application/json" of simple servers: the text itself must say it
    }
    root_ = descriptor;
    root_text_ = std::move(fetched.text);
    return std::vector<Descriptor>{descriptor};
  }

  Result<std::string> document(const Descriptor& descriptor) override {
    if (root_ && descriptor.digest == root_->digest) {
      return root_text_;
    }
    const std::string kind = is_manifest(descriptor.media_type) ? "manifests/" : "blobs/";
    if (descriptor.size_bytes > limits::kDocumentBytes) {
      return Error(ErrorCode::limit, fmt::format("{} has {} bytes, more than {}", descriptor.digest.short_text(),
                                                 descriptor.size_bytes, limits::kDocumentBytes));
    }
    KRAIT_TRY(auto fetched, fetch(kind + descriptor.digest.text(), descriptor.size_bytes),
              descriptor.digest.short_text());
    if (fetched.text.size() != descriptor.size_bytes) {
      return refused("{} has {} bytes, not the {} that it is said to have", descriptor.digest.short_text(),
                     fetched.text.size(), descriptor.size_bytes);
    }
    ContentHasher hasher(descriptor.digest.algorithm);
    hasher.add(fetched.text);
    if (const ContentDigest found = hasher.digest(); found != descriptor.digest) {
      return refused("what the registry gives for {} is {}", descriptor.digest.text(), found.text());
    }
    return std::move(fetched.text);
  }

  Result<std::vector<Blob>> layers(std::span<const Descriptor> descriptors, Progress& progress) override {
    return download(*registry_, descriptors, keeper_, progress);
  }

 private:
  Result<Fetched> fetch(const std::string& path, std::uint64_t max_bytes) {
    std::string text;
    const auto take = [&](const HttpAnswer&, std::string_view piece) -> Result<void> {
      text += piece;
      return text.size() > max_bytes ? refused("the registry sends more than {} bytes", max_bytes) : Result<void>();
    };
    KRAIT_TRY(auto answer, registry_->get(client_, path, {accept_header()}, take));
    if (answer.status == 200) {
      return Fetched{.text = std::move(text), .answer = std::move(answer)};
    }
    const std::string what = fmt::format("the registry answers {}", status_text(answer));
    return answer.status >= 500 ? Error(ErrorCode::unavailable, what) : refused("{}", what);
  }

  // distribution-spec, "Pulling manifests": Docker-Content-Digest.
  static Result<void> check_said_digest(const Fetched& fetched, const ContentDigest& digest) {
    const auto header = fetched.answer.headers.find("docker-content-digest");
    if (header == fetched.answer.headers.end()) {
      return {};
    }
    const auto said = ContentDigest::parse(header->second);
    return said && said->algorithm == digest.algorithm && *said != digest
               ? refused("the registry says that the manifest is {}, and it is {}", said->text(), digest.text())
               : Result<void>();
  }

  std::unique_ptr<Registry> registry_;
  HttpClient client_;
  Keeper& keeper_;
  std::optional<Descriptor> root_;
  std::string root_text_;
};

}  // namespace

Result<std::unique_ptr<Source>> open_registry(const Reference& reference, const RegistrySettings& settings,
                                              Keeper& keeper) {
  KRAIT_TRY(auto registry, Registry::open(reference, settings));
  KRAIT_TRY(auto client, registry->client());
  return std::make_unique<RegistrySource>(std::move(registry), std::move(client), keeper);
}

}  // namespace krata::image
