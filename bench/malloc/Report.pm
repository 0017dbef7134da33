# Report.pm - writes what Figures.pm found: docs/bench/malloc.md, malloc.json and the pictures; tables for one row.
package Report;
use strict;
use warnings;
use JSON::PP ();
use Figures;
use Picture;

my %LIMIT = (real => { time => 1.05, rss => 1.10 }, macro => { time => 1.10 }, micro => { time => 1.00 });
my %TITLE = (real => 'Real programs', macro => 'Macro rows', micro => 'Micro rows', rss => 'Resident memory',
	latency => 'Latency');

# ---- numbers ----

sub bytes {
	my ($b) = @_;
	return sprintf $b < 0.995e6 ? '%.3f' : $b < 9.95e6 ? '%.2f' : $b < 99.5e6 ? '%.1f' : '%.0f', $b / 1e6;
}
sub seconds { my ($s) = @_; return sprintf $s < 9.9995 ? '%.3f' : '%.2f', $s }

sub short_number {
	my ($row, $value) = @_;
	return '-' unless defined $value;
	return is_time($row) ? seconds($value) : $row->{group} eq 'latency' ? sprintf('%.0f', $value) : bytes($value);
}

sub is_time { return $_[0]{metric} =~ /^(wall|own)$/ }
sub row_name { my ($r) = @_; return $r->{row}{name} . ($r->{thp} ? " (thp=$r->{thp})" : '') }
sub percent { return sprintf '%.0f %%', 100 * $_[0] }

sub ratio_cell {
	my ($c, $malloc) = @_;
	my $of = $c && $c->{of}{$malloc} or return '–';
	my $text = sprintf '%.2f [%.2f, %.2f]', @$of{qw(ratio low high)};
	return $of->{verdict} eq 'lost' ? "**$text** lost" : $of->{verdict} eq 'won' ? "$text won" : $text;
}

sub line { return '| ' . join(' | ', @_) . " |\n" }
sub rule { my ($left, $right) = @_; return '|' . '---|' x $left . '---:|' x $right . "\n" }

# ---- one row, for the terminal ----

sub short {
	my ($result) = @_;
	my $text = '';
	for my $r (@{ $result->{rows} }) {
		$text .= sprintf "%s: %s\n", row_name($r), join ' ', @{ $r->{row}{command} };
		my $unit = is_time($r->{row}) ? 's' : 'value';
		$text .= sprintf "  %-12s %10s %7s %9s %9s %9s %3s  %s\n", '', $unit, 'spread', 'cpu s', 'RSS MB', 'faults', 'n', 'to the best peer [95 %]: time, RSS';
		for my $m (@{ $result->{mallocs} }) {
			my $f = $r->{per}{$m} or next;
			$text .= sprintf("  %-12s %s\n", $m, "failed: $f->{error}"), next unless $f->{n};
			$text .= sprintf "  %-12s %10s %7s %9.3f %9s %9.0f %3d  %-24s %s%s\n", $m,
				short_number($r->{row}, $f->{value}), percent($f->{value_spread}), $f->{cpu}, bytes($f->{rss}),
				$f->{minor}, $f->{n}, ratio_cell($r->{time}, $m) =~ s/\*//gr, ratio_cell($r->{rss}, $m) =~ s/\*//gr,
				$f->{failed} ? "  ($f->{failed} failed: $f->{error})" : '';
		}
	}
	return $text;
}

# ---- tables of the page ----

# Medians of one axis of a group, the best peer of each row in bold, and cairn's ratio to it.
sub table {
	my ($result, $group, $axis) = @_;
	my @rows = grep { $_->{row}{group} eq $group && !$_->{thp} } @{ $result->{rows} };
	return axis_table($result, $axis, @rows);
}

sub axis_table {
	my ($result, $axis, @rows) = @_;
	my @m = @{ $result->{mallocs} };
	my $text = line('row', 'n', @m, 'spread', 'cairn to the best peer [95 %]') . rule(1, @m + 3);
	for my $r (@rows) {
		my $c = $r->{ $axis eq 'rss' ? 'rss' : 'time' };
		my @cells = map { value_cell($r, $_, $axis, $c) } @m;
		my @spreads = map { $r->{per}{$_} ? $r->{per}{$_}{"${axis}_spread"} : () } @m;
		$text .= line(row_name($r) . ($c && $c->{tight} ? ' ≈' : ''), $r->{per}{cairn}{n} // 0, @cells,
			percent(Figures::median(@spreads) // 0), ratio_cell($c, 'cairn'));
	}
	return $text;
}

sub value_cell {
	my ($r, $m, $axis, $c) = @_;
	my $f = $r->{per}{$m};
	return '–' unless $f;
	return "failed" unless $f->{n};
	my $text = $axis eq 'rss' ? bytes($f->{rss}) : short_number($r->{row}, $f->{value});
	return $c && $c->{best} eq $m ? "**$text**" : $text;
}

sub means_table {
	my ($result) = @_;
	my @m = @{ $result->{mallocs} };
	my @lines = (['time, real programs', 'time', 'real'], ['time, macro rows', 'time', 'macro'],
		['time, real and macro', 'time', 'real', 'macro'], ['time, micro rows', 'time', 'micro'],
		['peak RSS, real programs', 'rss', 'real'], ['peak RSS, macro rows', 'rss', 'macro']);
	my $text = line('geometric mean to the best peer of each row', @m) . rule(1, scalar @m);
	for (@lines) {
		my ($title, $axis, @groups) = @$_;
		my %mean = map { $_ => Figures::mean_ratio($result, $_, $axis, @groups) } @m;
		my ($best) = sort { $mean{$a} <=> $mean{$b} } grep { defined $mean{$_} && $_ ne 'cairn' } @m;
		$text .= line($title, map {
			my $t = defined $mean{$_} ? sprintf '%.3f', $mean{$_} : '–';
			defined $best && $_ eq $best ? "**$t**" : $t
		} @m);
	}
	return $text;
}

# Rows that cairn lost or that are over the group's limit, worst first.
sub lost {
	my ($result) = @_;
	my @lost;
	for my $r (@{ $result->{rows} }) {
		for my $axis (qw(time rss)) {
			next if $axis eq 'rss' && $r->{row}{group} !~ /^(real|macro)$/ || $r->{row}{group} eq 'latency';
			my $of = $r->{$axis} && $r->{$axis}{of}{cairn} or next;
			push @lost, [$r, $axis, $of] if $of->{verdict} eq 'lost';
		}
	}
	return sort { $b->[2]{ratio} <=> $a->[2]{ratio} } @lost;
}

sub lost_table {
	my ($result) = @_;
	my @lost = lost($result);
	return "None.\n" unless @lost;
	my $text = line('row', 'group', 'axis', 'best peer', 'ratio [95 %]', 'limit') . rule(4, 2);
	for (@lost) {
		my ($r, $axis, $of) = @$_;
		my $limit = $LIMIT{ $r->{row}{group} }{$axis};
		my $name = $r->{row}{group} eq 'rss' ? 'RSS' : $axis eq 'rss' ? 'peak RSS' : 'time';
		$text .= line(row_name($r), $r->{row}{group}, $name, $r->{$axis}{best},
			sprintf('%.2f [%.2f, %.2f]', @$of{qw(ratio low high)}), $limit ? limit_cell($of->{ratio}, $limit) : '');
	}
	return $text;
}

sub limit_cell { my ($ratio, $limit) = @_; return sprintf $ratio > $limit ? '**over %.2f**' : '%.2f', $limit }

sub won_line {
	my ($result) = @_;
	my %count;
	for my $r (grep { !$_->{thp} } @{ $result->{rows} }) {
		for my $axis (qw(time rss)) {
			my $of = $r->{$axis} && $r->{$axis}{of}{cairn} or next;
			$count{$axis}{ $of->{verdict} }++ if $axis eq 'time' || $r->{row}{group} =~ /^(real|macro)$/;
		}
	}
	return join '; ', map { my $a = $_; ($a eq 'rss' ? 'peak RSS' : 'time and RSS rows') . ': ' .
		join ', ', map { ($count{$a}{$_} // 0) . " $_" } qw(won even lost) } grep { $count{$_} } qw(time rss);
}

sub faults_table {
	my ($result) = @_;
	my @m = @{ $result->{mallocs} };
	my $text = line('row', map { ($_, '') } @m) . rule(1, 2 * @m);
	for my $r (grep { $_->{row}{group} =~ /^(real|macro)$/ && !$_->{thp} } @{ $result->{rows} }) {
		$text .= line(row_name($r), map { my $f = $r->{per}{$_};
			$f && $f->{n} ? (sprintf('%.2f', $f->{cpu}), thousands($f->{minor})) : ('–', '–') } @m);
	}
	return $text;
}

sub thousands { my ($n) = @_; return $n < 1000 ? $n : sprintf $n < 9950 ? '%.1fk' : '%.0fk', $n / 1000 }

# Programs of this group print all that is wanted; a line for each name they print, a column for each malloc.
sub printed_table {
	my ($result, $group) = @_;
	my @m = @{ $result->{mallocs} };
	my $text = '';
	for my $r (grep { $_->{row}{group} eq $group } @{ $result->{rows} }) {
		my %names = map { $_ => 1 } map { keys %{ ($r->{per}{$_} // {})->{printed} // {} } } @m;
		$text .= "\n" . line($r->{row}{name}, @m) . rule(1, scalar @m);
		for my $name (sort keys %names) {
			$text .= line($name, map { significant(($r->{per}{$_} // {})->{printed}{$name}) } @m);
		}
	}
	return $text;
}

sub significant { return defined $_[0] ? sprintf('%.4g', $_[0]) : '–' }

# Of the scenario that keeps a random fifth of 1.5 million blocks: what is held to what is live, to the pages that
# hold a live byte, and over the start when the rest is freed too.
sub derived_table {
	my ($result) = @_;
	my @m = @{ $result->{mallocs} };
	my @lines = (['rss-fifth-kept', '× live', sub { ratio_of($_[0], 'resident', 'live') }],
		['rss-fifth-kept', '× the pages that hold a live byte', sub { ratio_of($_[0], 'resident', 'live_pages') }],
		['rss-fifth-kept', 'those pages: × live', sub { ratio_of($_[0], 'live_pages', 'live') }],
		['rss-all-freed', 'MB over the start', sub { over_start($_[0]) }]);
	my $text = line('row', '', @m) . rule(2, scalar @m);
	for (@lines) {
		my ($name, $title, $cell) = @$_;
		my ($r) = grep { $_->{row}{name} eq $name } @{ $result->{rows} } or next;
		$text .= line($name, $title, map { $cell->(($r->{per}{$_} // {})->{printed} // {}) } @m);
	}
	return $text;
}

sub over_start {
	my ($p) = @_;
	return defined $p->{base} ? sprintf '%.1f', ($p->{resident_at_end} - $p->{base}) / 1e6 : '–';
}

sub ratio_of {
	my ($p, $above, $below) = @_;
	return $p->{$above} && $p->{$below} ? sprintf '%.2f', $p->{$above} / $p->{$below} : '–';
}

# ---- goals: held or not, by what this run measured ----

sub goals {
	my ($result) = @_;
	my %r = map { $_->{row}{name} => $_ } grep { !$_->{thp} } @{ $result->{rows} };
	my $mean = sub { Figures::mean_ratio($result, 'cairn', @_) };
	my %fifth = printed_by_cairn($r{'rss-fifth-kept'});
	my %freed = printed_by_cairn($r{'rss-all-freed'});
	my %latency = printed_by_cairn($r{latency});
	my @goals = (['real programs, time, geometric mean', $mean->('time', 'real'), 1],
		['real programs, peak RSS, geometric mean', $mean->('rss', 'real'), 1],
		[worst('real programs, time', $result, 'time', 'real'), 1.05],
		[worst('real programs, peak RSS', $result, 'rss', 'real'), 1.10],
		['real and macro, time, geometric mean', $mean->('time', 'real', 'macro'), 1],
		[worst('real and macro, time', $result, 'time', 'real', 'macro'), 1.10],
		[worst('micro rows, time', $result, 'time', 'micro'), 1],
		['churn at 100k live objects', ratio_to_best($r{'churn-100k'}), 0.95],
		['churn at 300k live objects', ratio_to_best($r{'churn-300k'}), 0.70],
		(map { ["$_, to glibc", ratio_to($r{$_}, 'glibc'), 1] } grep { /^regrow/ } sort keys %r),
		(map { ["$_, to snmalloc", ratio_to($r{$_}, 'snmalloc'), 1] } grep { /^remote/ } sort keys %r),
		['a random fifth kept: × the pages that hold a live byte',
			%fifth ? $fifth{resident} / $fifth{live_pages} : undef, 1.06],
		['all freed: MB over the start',
			%freed ? ($freed{resident_at_end} - $freed{base}) / 1e6 : undef, 5, '%.1f'],
		['malloc and free, p99.9 beyond the empty loop, ns', $latency{p999_beyond}, 2000, '%.0f'],
		['malloc and free, p99.99 beyond the empty loop, ns', $latency{p9999_beyond}, 20000, '%.0f'],
		['longest step, ns of thread CPU time', $latency{step_cpu}, 1e6, '%.0f']);
	return join '', line('goal', 'measured', 'limit', ''), rule(1, 3), map { goal_line(@$_) } @goals;
}

sub goal_line {
	my ($what, $measured, $limit, $format) = @_;
	return line($what, 'not measured', sprintf($format // '%.2f', $limit), '–') unless defined $measured;
	return line($what, sprintf($format // '%.3f', $measured), sprintf($format // '%.2f', $limit),
		$measured <= $limit ? 'held' : '**not held**');
}

sub printed_by_cairn { my ($r) = @_; return $r && $r->{per}{cairn} ? %{ $r->{per}{cairn}{printed} // {} } : () }

sub ratio_to_best { my ($r) = @_; return $r && $r->{time} && ($r->{time}{of}{cairn} // {})->{ratio} }

sub ratio_to {
	my ($r, $peer) = @_;
	return undef unless $r && $r->{per}{cairn} && $r->{per}{$peer};
	my ($ratio) = Figures::paired_ratio(map { $r->{per}{$_}{by_round}{value} } 'cairn', $peer);
	return $ratio;
}

# The largest ratio of cairn among the rows of some groups: what to call it, and the ratio.
sub worst {
	my ($what, $result, $axis, @groups) = @_;
	my %in = map { $_ => 1 } @groups;
	my @rows = grep { $in{ $_->{row}{group} } && !$_->{thp} } @{ $result->{rows} };
	my ($worst) = sort { $b->[1] <=> $a->[1] } map { [row_name($_), $_->{$axis}{of}{cairn}{ratio}] }
		grep { $_->{$axis} && $_->{$axis}{of}{cairn} } @rows;
	return $worst ? ("$what, worst row ($worst->[0])", $worst->[1]) : ("$what, worst row", undef);
}

# ---- the page ----

sub machine {
	my ($s, $rounds) = @_;
	my $text = ($s->{scale} // 1) <= 1 ? '' : "**A trial of this page, with the work divided by $s->{scale}: no " .
		"measurement.**\n\n";
	$text .= "Machine: $s->{machine}; $s->{processors} processors, $s->{gib} GiB; kernel $s->{kernel} " .
		"($s->{arch});\ntransparent hugepages: $s->{thp}; $s->{compiler}. Commit $s->{commit}; " .
		"begun $s->{run};\n$rounds rounds; command: `$s->{command}`.\n\n" . line('malloc', 'version', '') . rule(3, 0);
	$text .= line($_->{name}, $_->{version}, $_->{older} // '') for @{ $s->{mallocs} };
	return $text;
}

sub page {
	my ($result) = @_;
	my $s = $result->{start};
	my $text = <<"END";
# malloc: cairn beside its peers

Written by `make bench` (`bench/malloc/run`); do not edit. What a row stands for and how it is measured:
[../design/bench.md](../design/bench.md). Ratios hold across machines better than seconds do.

@{[machine($s, $result->{rounds})]}
Every cell is a median; **bold** is the best peer of the row; spread is (largest − smallest) / median, the median of
it over the mallocs; the last column is cairn's ratio to the best peer with its 95 % interval, *lost* above 1.00, *won*
below. ≈ marks rows where all peers are within 3 % of each other: shown, not averaged.

## Geometric means

@{[means_table($result)]}
Rows of cairn: @{[won_line($result)]}.

![time against resident memory](malloc-time-rss.svg)

## Goals

@{[goals($result)]}
## Rows that cairn lost

@{[lost_table($result)]}
END
	for my $group (qw(real macro)) {
		$text .= "## $TITLE{$group}\n\n![bars](malloc-$group.svg)\n\nTime, s:\n\n" .
			table($result, $group, 'value') . "\nPeak RSS, MB:\n\n" . table($result, $group, 'rss') . "\n";
	}
	$text .= "## Micro rows\n\n![bars](malloc-micro.svg)\n\nTime, s:\n\n" . table($result, 'micro', 'value') . "\n";
	$text .= "## Resident memory\n\n![bars](malloc-rss.svg)\n\nMB:\n\n" . table($result, 'rss', 'value') . "\n" .
		derived_table($result) . "\n";
	$text .= "## Latency\n" . printed_table($result, 'latency') . "\n";
	my @thp = grep { $_->{thp} } @{ $result->{rows} };
	$text .= "## Other settings of transparent hugepages\n\nTime, s:\n\n" . axis_table($result, 'value', @thp) .
		"\nPeak RSS, MB:\n\n" . axis_table($result, 'rss', @thp) . "\n" if @thp;
	$text .= "## CPU seconds and minor faults\n\n" . faults_table($result);
	return $text;
}

sub summary {
	my ($result) = @_;
	return means_table($result) . "\n" . won_line($result) . "\n\n" . goals($result) . "\n" . lost_table($result);
}

sub write_file {
	my ($file, $text) = @_;
	open my $out, '>', $file or die "run: $file: $!\n";
	print $out $text;
	close $out or die "run: $file: $!\n";
}

sub write_all {
	my ($result, $folder) = @_;
	write_file("$folder/malloc.md", page($result));
	write_file("$folder/malloc.json", JSON::PP->new->canonical->indent->indent_length(1)->encode(plain($result)));
	write_file("$folder/malloc-time-rss.svg", Picture::points($result));
	for my $group (qw(real macro micro rss)) {
		write_file("$folder/malloc-$group.svg", Picture::bars($result, $group, $TITLE{$group}));
	}
}

# Everything that was measured, by row and malloc, round by round.
sub plain {
	my ($result) = @_;
	my @rows = map {
		my $r = $_;
		+{ name => $r->{row}{name}, group => $r->{row}{group}, metric => $r->{row}{metric}, thp => $r->{thp},
			command => join(' ', @{ $r->{row}{command} }), time => $r->{time}, rss => $r->{rss},
			mallocs => { map { $_ => rounded($r->{per}{$_}) } keys %{ $r->{per} } } }
	} @{ $result->{rows} };
	my %start = %{ $result->{start} };
	$start{mallocs} = [map { my %m = %$_; delete $m{file}; \%m } @{ $start{mallocs} }];
	return { start => \%start, rounds => $result->{rounds}, rows => \@rows };
}

sub rounded {
	my ($f) = @_;
	my %by = %{ $f->{by_round} // {} };
	my $in_order = sub { my $h = shift; [map { 0 + sprintf '%.6g', $h->{$_} } sort { $a <=> $b } keys %$h] };
	return { n => $f->{n}, failed => $f->{failed}, printed => $f->{printed}, cpu => $f->{cpu},
		map { $_ => $in_order->($by{$_}) } keys %by };
}

1;
