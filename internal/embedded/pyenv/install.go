package pyenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// FetchTo puts the packages that requirements pins into the folder dir, which is to be new or empty, without an
// environment: for packages that carry programs. Its errors are one line that says what to install.
func FetchTo(ctx context.Context, dir, requirements string) error {
	python, err := FindPython(ctx)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "tidemill-fetch-")
	if err != nil {
		return fmt.Errorf("fetch packages: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // in the temporary folder
	file := filepath.Join(work, "requirements.txt")
	if err := os.WriteFile(file, []byte(requirements), 0o600); err != nil {
		return fmt.Errorf("fetch packages: %w", err)
	}
	if uv, err := exec.LookPath("uv"); err == nil {
		if err := run(ctx, python, uv, uvInstall(file, "--python", python.Path, "--target", dir)...); err == nil {
			return nil
		}
	}
	pip := python.Path
	if !python.Pip {
		if err := makeVenv(ctx, python, filepath.Join(work, "venv")); err != nil {
			return err
		}
		pip = filepath.Join(work, "venv", "bin", "python")
	}
	return run(ctx, python, pip, pipInstall(file, "--target", dir)...)
}

func makeVenv(ctx context.Context, python Python, dir string) error {
	if !python.Venv {
		return noVenv(python)
	}
	if err := run(ctx, python, python.Path, "-m", "venv", dir); err != nil {
		return fmt.Errorf("make a virtual environment: %w", err)
	}
	return nil
}

func noVenv(p Python) error {
	return fmt.Errorf("%w: %s lacks venv or ensurepip: install them (Debian, Ubuntu: apt install python3.%d-venv)", ErrNoVenv, p.Path, p.Minor)
}

// The lists that we install from are complete, so nothing is resolved: --no-deps. (pip 23 cannot even resolve a pinned
// package that another wants with an extra, in its mode for hashes.)

func uvInstall(requirements string, more ...string) []string {
	return append([]string{"pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", requirements}, more...)
}

func pipInstall(requirements string, more ...string) []string {
	return append([]string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", requirements}, more...)
}

// misleading variables would lead Python, pip or uv out of our folder.
var misleading = []string{"PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "PYENV_VERSION"}

// run runs an installer with the user's environment, which names his proxies and indexes; its error is one line.
func run(ctx context.Context, python Python, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // ours or the user's own interpreter
	for _, kv := range os.Environ() {
		if key, _, _ := strings.Cut(kv, "="); !slices.Contains(misleading, key) {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	if _, set := os.LookupEnv("UV_SYSTEM_CERTS"); !set {
		cmd.Env = append(cmd.Env, "UV_SYSTEM_CERTS=true") // as everything else on the system, for proxies with certificates of their own
	}
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return explain(err, string(out), python)
	}
	return nil
}
