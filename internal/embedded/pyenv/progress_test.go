package pyenv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestALongInstallationSaysThatItGoesOn(t *testing.T) {
	e := Env{t.TempDir()}
	for _, name := range []string{"dbt_core-1.11.16.dist-info", "click-8.2.1.dist-info", "pip-23.0.1.dist-info", "click"} {
		if err := os.MkdirAll(filepath.Join(e.dir, "lib", "python3.11", "site-packages", name), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	said := make(chan string, 1)
	tick := make(chan time.Time)
	stop := e.tellOn(Options{Lock: "# by uv\nclick==8.2.1 \\\n    --hash=sha256:a==\ndbt-core==1.11.16\nagate==1.9.1 ; python_version > '3'\nagate==1.8 ; python_version < '3'\ntzdata==1 ; sys_platform == 'win32'\n", Progress: func(s string) { said <- s }}, tick)
	defer stop()
	tick <- time.Now()
	if got := <-said; !strings.HasPrefix(got, "still installing dbt: 2 of 3 packages after ") {
		t.Errorf("it says %q", got)
	}
}
