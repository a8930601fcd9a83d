// Command tidemill runs the reference payments pipeline: see `tidemill --help`.
package main

import "github.com/tidemill/tidemill/cli"

func main() {
	cli.Main(cli.Reference())
}
