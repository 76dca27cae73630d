class Ssmport < Formula
  desc "Shells, commands and ports over AWS Session Manager"
  homepage "@ADDRESS@"
  version "@VERSION@"
  license any_of: ["MIT", "Apache-2.0"]

  on_macos do
    on_arm do
      url "@ADDRESS@/ssmport-@VERSION@-macos-arm64.tar.gz"
      sha256 "@SHA256 ssmport-@VERSION@-macos-arm64.tar.gz@"
    end
    on_intel do
      url "@ADDRESS@/ssmport-@VERSION@-macos-x86_64.tar.gz"
      sha256 "@SHA256 ssmport-@VERSION@-macos-x86_64.tar.gz@"
    end
  end

  on_linux do
    on_arm do
      url "@ADDRESS@/ssmport-@VERSION@-musl-arm64.tar.gz"
      sha256 "@SHA256 ssmport-@VERSION@-musl-arm64.tar.gz@"
    end
    on_intel do
      url "@ADDRESS@/ssmport-@VERSION@-musl-x86_64.tar.gz"
      sha256 "@SHA256 ssmport-@VERSION@-musl-x86_64.tar.gz@"
    end
  end

  def install
    bin.install "ssmport", "session-manager-plugin"
    man1.install Dir["man/man1/*"]
    man7.install Dir["man/man7/*"]
    bash_completion.install "completions/ssmport.bash" => "ssmport"
    zsh_completion.install "completions/ssmport.zsh" => "_ssmport"
    fish_completion.install "completions/ssmport.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/ssmport --version")
    system bin/"ssmport", "demo"
  end
end
