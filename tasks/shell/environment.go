package shell

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// BaseEnv lists the variables that every command gets from our process where they are set.
func BaseEnv() []string {
	return []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"}
}

// secretNames mark a variable whose value nobody may see, wherever it comes from.
var secretNames = []string{"PASSWORD", "PASSWD", "SECRET", "TOKEN", "PRIVATE_KEY", "API_KEY", "APIKEY"}

// minGuess is how long a value must be to be taken for a secret by its name alone: a shorter one would blacken half of every text.
const minGuess = 4

// environment is what the command's process gets, in order of names, and which texts of it nobody may see. lookup finds a variable of
// ours; info is of the attempt, where there is one.
func (c *Command) environment(lookup func(string) (string, bool), info *engine.TaskInfo) (env, secrets []string) {
	vars := map[string]string{}
	for _, name := range slices.Concat(BaseEnv(), c.InheritEnv) {
		if v, ok := lookup(name); ok {
			vars[name] = v
		}
	}
	if info != nil {
		vars["TIDEMILL_DAG_ID"], vars["TIDEMILL_RUN_ID"], vars["TIDEMILL_TASK_ID"] = info.DAG, info.RunID, info.Task
		vars["TIDEMILL_MAP_INDEX"], vars["TIDEMILL_TRY"] = strconv.Itoa(info.MapIndex), strconv.Itoa(info.Try)
		vars["TIDEMILL_KEY"] = info.Key()
	}
	maps.Copy(vars, c.Env)
	maps.Copy(vars, c.SecretEnv)
	secrets = append(slices.Clone(c.Secrets), slices.Collect(maps.Values(c.SecretEnv))...)
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		env = append(env, name+"="+vars[name])
		secrets = append(secrets, guessed(name, vars[name])...)
	}
	return env, secrets
}

// guessed is what of a variable is a secret by its looks: all of it by its name, or the password of a URL.
func guessed(name, value string) []string {
	name = strings.ToUpper(name)
	if len(value) >= minGuess && slices.ContainsFunc(secretNames, func(mark string) bool { return strings.Contains(name, mark) }) {
		return []string{value}
	}
	if !strings.Contains(value, "://") {
		return nil
	}
	u, err := url.Parse(value)
	if err != nil || u.User == nil {
		return nil
	}
	password, _ := u.User.Password()
	_, written, _ := strings.Cut(u.User.String(), ":")
	return []string{password, written}
}
