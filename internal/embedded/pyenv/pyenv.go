package pyenv

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tidemill/tidemill/internal/embedded/filelock"
)

// ErrMissing says that the environment has not been made yet.
var ErrMissing = errors.New("the Python environment with dbt is not installed yet")

// Options says which environment is meant.
type Options struct {
	Dir      string       // our folder, made if need be; required
	Lock     string       // text of the requirements: name==version with hashes, as pip reads it; required
	Progress func(string) // told, in a sentence, what takes long; may be nil
}

// An Env is a Python environment that has all of its lock's packages.
type Env struct{ dir string }

// Python returns the path of the environment's interpreter.
func (e Env) Python() string { return filepath.Join(e.dir, "bin", "python") }

// DBT returns the path of the dbt program.
func (e Env) DBT() string { return filepath.Join(e.dir, "bin", "dbt") }

// marker is written last: an environment with it is whole.
const marker = "tidemill-complete"

func (o Options) env() Env {
	sum := sha256.Sum256([]byte(o.Lock))
	return Env{filepath.Join(o.Dir, "env-"+hex.EncodeToString(sum[:6]))}
}

// whole tells whether the environment is complete and its interpreter still there (an upgrade of the system's Python takes it away).
func (e Env) whole() bool {
	for _, path := range []string{filepath.Join(e.dir, marker), e.Python(), e.DBT()} {
		if _, err := os.Stat(path); err != nil {
			return false
		}
	}
	return true
}

// Check returns the environment if it has been made, without installing anything; else an error that wraps
// [ErrMissing], or says what Ensure would lack.
func Check(ctx context.Context, o Options) (Env, error) {
	env := o.env()
	if env.whole() {
		return env, nil
	}
	p, err := FindPython(ctx)
	if err != nil {
		return Env{}, err
	}
	if _, err := exec.LookPath("uv"); err != nil && !p.Venv {
		return Env{}, noVenv(p)
	}
	return Env{}, ErrMissing
}

// Ensure returns the environment and makes it first if need be, which takes some seconds and the network. Its errors
// are one line that says what to install.
func Ensure(ctx context.Context, o Options) (Env, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return Env{}, fmt.Errorf("install dbt: %w", err)
	}
	env := o.env()
	if env.whole() {
		return env, nil
	}
	lock, err := filelock.Try(env.dir+".lock", filelock.Exclusive)
	if errors.Is(err, filelock.ErrLocked) {
		o.Progress("waiting for another process that installs dbt")
		lock, err = filelock.Acquire(ctx, env.dir+".lock", filelock.Exclusive)
	}
	if err != nil {
		return Env{}, fmt.Errorf("install dbt: %w", err)
	}
	defer lock.Release() //nolint:errcheck // its file is only read
	if env.whole() {
		return env, nil
	}
	if err := env.build(ctx, o); err != nil {
		return Env{}, fmt.Errorf("install dbt: %w", err)
	}
	return env, nil
}

// build makes the environment in its place: a virtual environment cannot be moved. Without the marker it counts for nothing.
func (e Env) build(ctx context.Context, o Options) error {
	python, err := FindPython(ctx)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(e.dir); err != nil {
		return fmt.Errorf("remove the half-made environment: %w", err)
	}
	requirements := e.dir + ".txt"
	if err := os.WriteFile(requirements, []byte(o.Lock), 0o600); err != nil {
		return fmt.Errorf("write requirements: %w", err)
	}
	o.Progress("installing dbt into a Python environment of its own (once; some 40 MB to download)")
	every := time.NewTicker(tellEvery)
	defer every.Stop()
	told := e.tellOn(o, every.C)
	err = e.install(ctx, python, requirements)
	told()
	if err != nil {
		return err
	}
	for _, path := range []string{e.Python(), e.DBT()} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("the requirements give no %s", filepath.Base(path))
		}
	}
	if err := os.WriteFile(filepath.Join(e.dir, marker), nil, 0o600); err != nil {
		return fmt.Errorf("mark the environment as whole: %w", err)
	}
	if err := os.Remove(requirements); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear up: %w", err)
	}
	return nil
}

// install makes the virtual environment and puts the requirements in it.
func (e Env) install(ctx context.Context, python Python, requirements string) error {
	if uv, err := exec.LookPath("uv"); err == nil {
		err := e.installWithUV(ctx, uv, python, requirements)
		if err == nil || ctx.Err() != nil || !python.Venv {
			return err
		}
		if err := os.RemoveAll(e.dir); err != nil { // once more with pip
			return fmt.Errorf("remove the half-made environment: %w", err)
		}
	}
	if err := makeVenv(ctx, python, e.dir); err != nil {
		return err
	}
	if err := e.installOwnUV(ctx, python); err == nil {
		if err := run(ctx, python, filepath.Join(e.dir, "bin", "uv"), uvInstall(requirements, "--python", e.Python())...); err == nil {
			return nil
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := run(ctx, python, e.Python(), pipInstall(requirements)...); err != nil {
		return fmt.Errorf("install the pinned packages: %w", err)
	}
	return nil
}

func (e Env) installWithUV(ctx context.Context, uv string, python Python, requirements string) error {
	if err := run(ctx, python, uv, "venv", "--quiet", "--python", python.Path, e.dir); err != nil {
		return fmt.Errorf("make a virtual environment: %w", err)
	}
	if err := run(ctx, python, uv, uvInstall(requirements, "--python", e.Python())...); err != nil {
		return fmt.Errorf("install the pinned packages: %w", err)
	}
	return nil
}

//go:embed uv.requirements.txt
var uvLock []byte

// installOwnUV puts uv into the environment.
func (e Env) installOwnUV(ctx context.Context, python Python) error {
	path := filepath.Join(e.dir, "uv.requirements.txt")
	if err := os.WriteFile(path, uvLock, 0o600); err != nil {
		return fmt.Errorf("write requirements: %w", err)
	}
	return run(ctx, python, e.Python(), pipInstall(path)...)
}
