package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	dbtproject "github.com/tidemill/tidemill/dbt"
	"github.com/tidemill/tidemill/internal/embedded/pyenv"
	"github.com/tidemill/tidemill/migrations"
)

// idle is `tidemill serve` itself, with its DAG and its stream, its database and its broker elsewhere, when nothing is to be done.
func idle(ctx context.Context, l *lab) (_ []figure, err error) {
	settle, watch := l.sizes.idleSettle, l.sizes.idleWatch
	dir, err := os.MkdirTemp(l.dir, "idle-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	program := filepath.Join(dir, "tidemill")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/tidemill/tidemill").CombinedOutput(); err != nil { //nolint:gosec // our own
		return nil, fmt.Errorf("build tidemill: %w\n%s", err, out)
	}
	python, err := pythonDir(ctx)
	if err != nil {
		return nil, err
	}
	address, drop, err := l.database(ctx, migrations.Engine, migrations.Warehouse)
	if err != nil {
		return nil, err
	}
	defer drop()
	b, err := spawn(ctx, brokerRole, filepath.Join(dir, "broker"), "6")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	ready, err := b.line()
	if err != nil {
		return nil, err
	}
	brokers, _, _ := strings.Cut(ready, " ")
	home := filepath.Join(dir, "home")
	if err := errors.Join(os.Mkdir(home, 0o755), os.Symlink(python, filepath.Join(home, "python"))); err != nil { //nolint:gosec // nothing secret in it
		return nil, err
	}
	s, _, err := serve(ctx, l, program, []string{"TIDEMILL_HOME=" + home, "TIDEMILL_DATABASE_URL=" + address, "TIDEMILL_KAFKA_BROKERS=" + brokers}, 1, "serve")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.terminate()) }()
	if err := pause(ctx, settle); err != nil {
		return nil, err
	}
	pid := s.cmd.Process.Pid
	memory, err := residentMemory(pid)
	if err != nil {
		return nil, err
	}
	cpu := startCPU(ctx, address)
	before, err := readStat(pid)
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, watch); err != nil {
		return nil, err
	}
	after, err := readStat(pid)
	if err != nil {
		return nil, err
	}
	share := func(used time.Duration) float64 { return 100 * used.Seconds() / watch.Seconds() }
	figures := []figure{
		{key: "pss_mb", unit: "MB", value: memory.pss / 1e6, note: "PSS"},
		{key: "rss_mb", unit: "MB", value: memory.rss / 1e6, note: "RSS"},
		{key: "cpu_percent", unit: "% of a core", value: share(after.own - before.own)},
	}
	if theirs, known := serverCPU(ctx, address); known && cpu.known {
		figures = append(figures, figure{unit: "% of a core", value: share(theirs - cpu.theirs), note: "PostgreSQL meanwhile"})
	}
	return figures, nil
}

// pythonDir is where the environments with dbt are that all homes of benchmarks share: installing one takes the network, once.
func pythonDir(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the folder of caches: %w", err)
	}
	dir := filepath.Join(cache, "tidemill-test", "dbt") // as the tests have it
	if err := os.MkdirAll(dir, 0o755); err != nil {     //nolint:gosec // nothing secret in it
		return "", fmt.Errorf("make a folder: %w", err)
	}
	_, err = pyenv.Ensure(ctx, pyenv.Options{Dir: dir, Lock: string(dbtproject.Requirements)})
	return dir, err
}
