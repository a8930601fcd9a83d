// Package settings gives tasks their configuration: typed, from the environment, from files or from wherever a program's own [Provider]
// asks, with secrets that nobody sees.
//
//	type Warehouse struct {
//		URL      url.URL         `setting:"URL,required" doc:"where the warehouse is, without a password"`
//		Password settings.Secret `setting:"PASSWORD,required" doc:"of the role that writes"`
//	}
//
//	type Sales struct {
//		Warehouse Warehouse     `setting:"WAREHOUSE_"`
//		Timeout   time.Duration `setting:"TIMEOUT" default:"30s"`
//	}
//
//	source := settings.New(settings.Env("SALES_"), settings.Files("/run/secrets"))
//	sales := settings.Of[Sales](source)
//	cli.Main(cli.DAGs(report(sales)), cli.Settings(source))
//
// A connection is such a struct, like Warehouse here. A task calls sales.Load(ctx) when it needs it, and so gets what is in force then: a
// password that was changed needs no restart. [Source.Check], which serve and worker call as they start, loads all that was declared and
// reports all that is missing at once.
//
// The source knows every secret that it has loaded. The runtime that has its [Source.Secrets] masks them in logs and errors, and fails an
// attempt that would store one.
package settings
