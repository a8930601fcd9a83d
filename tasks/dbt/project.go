package dbt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Project says where a dbt project is and what runs it. Paths may be relative to the working directory.
type Project struct {
	Dir         string   // holds dbt_project.yml; required
	ProfilesDir string   // holds profiles.yml; default: Dir
	TargetPath  string   // where parsed projects and each run's files are kept; default: Dir/target
	Python      string   // the interpreter of the venv that dbt is installed in; default: the one beside DBT
	DBT         string   // the dbt command, used where the long-lived process cannot start; default: the one beside Python
	Env         []string // KEY=value for dbt: what profiles.yml reads; dbt sees nothing else of our environment
	Profile     string   // default: the one that dbt_project.yml names
	Target      string   // default: the one that profiles.yml names
	Threads     int      // default: what profiles.yml says
	Select      []string // dbt's selection syntax: what of the project Run, Test and Build are about; default: all of it
	Exclude     []string // likewise: what of that they leave out

	// ApplicationName is the name of dbt's sessions in PostgreSQL and of the lock on the project, for the Guard. It must
	// be the same in every process that runs this project on this target. Default: made of the project's folder name,
	// the profile and the target.
	ApplicationName string
}

// withDefaults returns the project with its defaults filled in and its paths absolute. It errs, naming the field, when
// something that dbt needs is not there.
func (p Project) withDefaults() (Project, error) {
	if p.Dir == "" {
		return p, fmt.Errorf("dbt.Project.Dir is empty: give the folder that holds dbt_project.yml")
	}
	if p.ProfilesDir == "" {
		p.ProfilesDir = p.Dir
	}
	if p.TargetPath == "" {
		p.TargetPath = filepath.Join(p.Dir, "target")
	}
	if p.Python == "" && p.DBT == "" {
		return p, fmt.Errorf("dbt.Project.Python and DBT are empty: give one of them, both are in the bin folder of dbt's venv")
	}
	if p.Python == "" {
		p.Python = filepath.Join(filepath.Dir(p.DBT), "python")
	}
	if p.DBT == "" {
		p.DBT = filepath.Join(filepath.Dir(p.Python), "dbt")
	}
	for _, path := range []*string{&p.Dir, &p.ProfilesDir, &p.TargetPath, &p.Python, &p.DBT} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return p, fmt.Errorf("make %s absolute: %w", *path, err)
		}
		*path = absolute
	}
	for _, need := range []struct{ field, path string }{
		{"Dir", filepath.Join(p.Dir, "dbt_project.yml")},
		{"ProfilesDir", filepath.Join(p.ProfilesDir, "profiles.yml")},
	} {
		if _, err := os.Stat(need.path); err != nil {
			return p, fmt.Errorf("dbt.Project.%s: %w", need.field, err)
		}
	}
	for _, kv := range p.Env {
		if !strings.Contains(kv, "=") {
			return p, fmt.Errorf("dbt.Project.Env holds %q: an entry is KEY=value", kv)
		}
	}
	if p.ApplicationName == "" {
		sum := sha256.Sum256([]byte(filepath.Base(p.Dir) + "\x00" + p.Profile + "\x00" + p.Target))
		p.ApplicationName = "tidemill-dbt-" + hex.EncodeToString(sum[:4])
	}
	if len(p.ApplicationName) > 63 {
		return p, fmt.Errorf("dbt.Project.ApplicationName has %d bytes: PostgreSQL keeps 63", len(p.ApplicationName))
	}
	return p, nil
}

// passedOn are the variables of our own environment that dbt gets.
var passedOn = []string{"PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// environment is the whole environment of one invocation of dbt; later entries win.
func (p Project) environment(own func(string) (string, bool), invocation map[string]string) map[string]string {
	env := map[string]string{
		"LANG":                           "C.UTF-8",
		"PYTHONUTF8":                     "1",
		"PYTHONUNBUFFERED":               "1",
		"DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
		"DO_NOT_TRACK":                   "1",
		"PGTZ":                           "UTC", // dates must not depend on where we run
		// A session whose client is dead ends its query within a second. dbt sets these options itself, without this one,
		// for a profile with a search_path.
		"PGOPTIONS":                     "-c client_connection_check_interval=1000",
		"TIDEMILL_DBT_APPLICATION_NAME": p.ApplicationName,
	}
	for _, key := range passedOn {
		if value, ok := own(key); ok {
			env[key] = value
		}
	}
	for _, kv := range p.Env {
		key, value, _ := strings.Cut(kv, "=")
		env[key] = value
	}
	for key, value := range invocation {
		env[key] = value
	}
	return env
}

func environList(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for key, value := range env {
		list = append(list, key+"="+value)
	}
	return list
}
