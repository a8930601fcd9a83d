package cli

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"
)

func (c *command) version() *cobra.Command {
	return c.reads(&cobra.Command{
		Use: "version", Short: "Print the version", Example: "  tidemill version", Args: arguments(),
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{"version": version(), "build": build(), "go": runtime.Version()}
			return c.show(v, func(w io.Writer) { fmt.Fprintf(w, "tidemill %s (%s, %s)\n", v["version"], v["build"], v["go"]) })
		},
	})
}
