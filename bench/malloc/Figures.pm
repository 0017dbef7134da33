# Figures.pm - from lines of raw.jsonl to medians, spreads, ratios with intervals, verdicts and geometric means.
#
# A ratio of a malloc to the best peer of a row is taken pair by pair: in each round the two ran within seconds of each
# other, so what slows the machine for a while slows both. The estimate is the mean of the logarithms of the pairs'
# ratios without the lowest and the highest fifth; its 95 % interval is a bootstrap over the pairs (2,000 draws, seed
# fixed). The best peer is the one with the lowest median in the same run, which favours it by luck: on equal mallocs
# the best of seven comes out ahead. A row is lost when the interval lies above 1.00, won when it lies below.
package Figures;
use strict;
use warnings;
use JSON::PP ();

our $TIGHT = 1.03; # peers within this factor of each other: the row says nothing about mallocs and is not averaged
my $PAIRS_LEAST = 3; # of fewer no verdict is given
my $DRAWS = 2000;

# Lines of the last full run in a file: { start, rounds, lines }; undef when there is none.
sub last_run {
	my ($file) = @_;
	my $json = JSON::PP->new;
	my (%run, $last);
	open my $in, '<', $file or return undef;
	while (<$in>) {
		my $line = eval { $json->decode($_) } or next; # the last line of an interrupted run may be cut
		if ($line->{start}) {
			$run{ $line->{run} } = { start => $line, rounds => 0, lines => [] };
			$last = $line->{run} if $line->{full};
		} elsif (my $run = $run{ $line->{run} }) {
			push @{ $run->{lines} }, $line;
			$run->{rounds} = $line->{round} if $line->{round} > $run->{rounds};
		}
	}
	return defined $last ? $run{$last} : undef;
}

sub median {
	my @v = sort { $a <=> $b } @_;
	return undef unless @v;
	return @v % 2 ? $v[$#v / 2] : ($v[@v / 2 - 1] + $v[@v / 2]) / 2;
}

sub spread { # (largest - smallest) / median
	my $m = median(@_);
	my @v = sort { $a <=> $b } @_;
	return $m ? ($v[-1] - $v[0]) / $m : 0;
}

sub trimmed {
	my @v = sort { $a <=> $b } @_;
	my $off = int(@v / 5);
	my ($sum, $n) = (0, 0);
	($sum += $v[$_], $n++) for $off .. $#v - $off;
	return $sum / $n;
}

# Ratio, low and high end of its interval, of two hashes of round => value.
sub paired_ratio {
	my ($of, $to) = @_;
	my @logs = map { log($of->{$_} / $to->{$_}) } grep { ($of->{$_} // 0) > 0 && ($to->{$_} // 0) > 0 } sort { $a <=> $b } keys %$of;
	return unless @logs;
	return (exp $logs[0]) x 3 if @logs == 1;
	srand 20240229;
	my @drawn = sort { $a <=> $b } map { trimmed(map { $logs[rand @logs] } @logs) } 1 .. $DRAWS;
	return map { exp } trimmed(@logs), $drawn[0.025 * $DRAWS], $drawn[0.975 * $DRAWS - 1];
}

# { start, mallocs => [names], peers => [names], rows => [ { row, thp, per => { malloc => figures }, time, rss } ] }
sub analyse {
	my ($start, $rows, $lines) = @_;
	my @mallocs = map { $_->{name} } @{ $start->{mallocs} };
	my @peers = map { $_->{name} } grep { $_->{name} ne 'cairn' && !$_->{extra} } @{ $start->{mallocs} };
	my %by;
	push @{ $by{ $_->{row} }{ $_->{thp} // '' }{ $_->{malloc} } }, $_ for @$lines;
	my $result = { start => $start, mallocs => \@mallocs, peers => \@peers, rows => [], rounds => 0 };
	for my $row (@$rows) {
		for my $thp (sort keys %{ $by{ $row->{name} } // {} }) {
			push @{ $result->{rows} }, row_figures($row, $thp, $by{ $row->{name} }{$thp}, \@peers);
		}
	}
	for (@$lines) { $result->{rounds} = $_->{round} if $_->{round} > $result->{rounds} }
	return $result;
}

sub row_figures {
	my ($row, $thp, $lines, $peers) = @_;
	my %r = (row => $row, thp => $thp, per => {});
	for my $malloc (keys %$lines) {
		my @ok = grep { $_->{ok} } @{ $lines->{$malloc} };
		my %f = (n => scalar @ok, failed => @{ $lines->{$malloc} } - @ok);
		($f{error}) = map { $_->{error} } grep { !$_->{ok} } @{ $lines->{$malloc} };
		for my $axis (qw(value rss minor)) {
			$f{$axis} = median(map { $_->{$axis} } @ok);
			$f{"${axis}_spread"} = @ok ? spread(map { $_->{$axis} } @ok) : 0;
			$f{by_round}{$axis} = { map { $_->{round} => $_->{$axis} } @ok };
		}
		$f{cpu} = median(map { $_->{user} + $_->{sys} } @ok);
		$f{printed} = middle_printed(@ok);
		$r{per}{$malloc} = \%f;
	}
	$r{time} = compare($r{per}, $peers, 'value');
	$r{rss} = compare($r{per}, $peers, 'rss');
	return \%r;
}

# What programs print besides: the median of each.
sub middle_printed {
	my @ok = grep { $_->{printed} } @_;
	my %names = map { $_ => 1 } map { keys %{ $_->{printed} } } @ok;
	return { map { my $n = $_; $n => median(map { $_->{printed}{$n} // () } @ok) } keys %names };
}

# On one axis: the best peer, whether all peers are close, and each other malloc's ratio to the best peer.
sub compare {
	my ($per, $peers, $axis) = @_;
	my @there = sort { $per->{$a}{$axis} <=> $per->{$b}{$axis} } grep { $per->{$_} && $per->{$_}{$axis} } @$peers;
	return undef unless @there;
	my $best = $there[0];
	my %c = (best => $best, tight => @there > 1 && $per->{ $there[-1] }{$axis} <= $TIGHT * $per->{$best}{$axis});
	for my $malloc (keys %$per) {
		next if !$per->{$malloc}{$axis};
		my ($of, $to) = map { $per->{$_}{by_round}{$axis} } $malloc, $best;
		my ($ratio, $low, $high) = paired_ratio($of, $to);
		next unless defined $ratio;
		my $pairs = grep { $to->{$_} } keys %$of;
		my $verdict = $low > 1 ? 'lost' : $high < 1 ? 'won' : 'even';
		$verdict = '' if $malloc eq $best || $pairs < $PAIRS_LEAST;
		$c{of}{$malloc} = { ratio => $ratio, low => $low, high => $high, verdict => $verdict,
			plain => $per->{$malloc}{$axis} / $per->{$best}{$axis} };
	}
	return \%c;
}

# Geometric mean over the rows of some groups of malloc's median to the best peer's; undef without rows.
sub mean_ratio {
	my ($result, $malloc, $axis, @groups) = @_;
	my %in = map { $_ => 1 } @groups;
	my ($sum, $n) = (0, 0);
	for my $r (@{ $result->{rows} }) {
		my $c = $r->{$axis};
		next if $r->{thp} || !$in{ $r->{row}{group} } || !$c || $c->{tight} || !$c->{of}{$malloc};
		$sum += log $c->{of}{$malloc}{plain};
		$n++;
	}
	return $n ? exp($sum / $n) : undef;
}

1;
