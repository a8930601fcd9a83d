package dbt

import (
	"context"
	"strings"
)

// invokeCLI runs the plain dbt command once: for a dbt whose Python cannot run our server. It pays for the import each
// time. What it promises is what server.invoke promises.
func invokeCLI(ctx context.Context, p Project, args []string, env map[string]string, stopper stopper, onLine func([]byte), onStderr func(string)) (ending, error) {
	args = append([]string{"--log-format", "json", "--log-level", "debug"}, args...)
	child, err := startProcess(p.DBT, args, p.Dir, environList(env), onStderr)
	if err != nil {
		return ending{}, err
	}
	defer child.close()
	stop := stopper.watch(ctx, child)
	defer stop()
	_ = readLines(child.stdout, func(line []byte) bool { onLine(line); return true }) // an error is its end
	<-child.done
	stop()

	end := ending{code: child.state.ExitCode()}
	switch stderr := child.stderr.String(); {
	case end.code == 2 && strings.Contains(stderr, "Usage: "):
		end.usage, end.why = true, stderr
	case end.code == -1:
		end.why = child.describe()
	case end.code == 2:
		end.why = stderr
	}
	end.noteCut(ctx)
	return end, nil
}
