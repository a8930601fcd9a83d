package pyenv

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// tellEvery is how often a long installation says that it goes on.
const tellEvery = 5 * time.Second

// tellOn says every few seconds how far the installation has come, until the function that it returns is called, which waits for its end. tick is
// time.NewTicker's, or a test's.
func (e Env) tellOn(o Options, tick <-chan time.Time) (stop func()) {
	began, done := time.Now(), make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-tick:
				o.Progress(fmt.Sprintf("still installing dbt: %d of %d packages after %s", e.installed(), packages(o.Lock), time.Since(began).Round(time.Second)))
			}
		}
	})
	return func() { close(done); wait.Wait() }
}

// installed counts the packages that are there so far.
func (e Env) installed() int {
	found, err := filepath.Glob(filepath.Join(e.dir, "lib", "python*", "site-packages", "*.dist-info"))
	if err != nil {
		return 0 // the pattern is ours
	}
	own := 0 // of the tools, which no lock names
	for _, f := range found {
		if name := filepath.Base(f); strings.HasPrefix(name, "pip-") || strings.HasPrefix(name, "uv-") || strings.HasPrefix(name, "setuptools-") {
			own++
		}
	}
	return len(found) - own
}

// packages counts the packages that a lock names; one that it pins for several versions of Python once, and none that is for Windows alone.
func packages(lock string) int {
	names := map[string]bool{}
	for line := range strings.Lines(lock) {
		name, _, pinned := strings.Cut(line, "==")
		if pinned && line[0] != ' ' && line[0] != '#' && !strings.Contains(line, "sys_platform == 'win32'") {
			names[name] = true
		}
	}
	return len(names)
}
