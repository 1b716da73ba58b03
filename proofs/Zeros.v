(** Chapter 10: a network on a line with given zeros and the least number of units. *)

From Coq Require Import Reals Lra Lia.
From Robust Require Import Common Pairs Line.
Open Scope R_scope.

(** The slopes of the pieces: 1, -1, 1/2, -1/2, 1/2, ... *)
Definition alt (j : nat) : R := if Nat.even j then 1 else -1.
Definition slope_of (j : nat) : R := if Nat.ltb j 2 then alt j else alt j / 2.

Lemma alt_next j : alt (S j) = - alt j.
Proof.
  unfold alt. rewrite Nat.even_succ, <- Nat.negb_even. destruct (Nat.even j); simpl; ring.
Qed.

Lemma alt_cases j : alt j = 1 \/ alt j = -1.
Proof. unfold alt. destruct (Nat.even j); auto. Qed.

Lemma alt_slope j : 0 < alt j * slope_of j.
Proof. unfold slope_of. destruct (alt_cases j) as [-> | ->]; destruct Nat.ltb; lra. Qed.

Section Pieces.
Variables (n : nat) (c : nat -> R).
Hypothesis increasing : forall j, (j < n)%nat -> c j < c (S j).

(** Where the pieces through the zeros c j and c (j + 1) meet. *)
Definition kink (j : nat) : R :=
  (slope_of j * c j - slope_of (S j) * c (S j)) / (slope_of j - slope_of (S j)).
Definition jump (j : nat) : R := slope_of (S j) - slope_of j.

Lemma kink_range j : (j < n)%nat -> c j < kink j < c (S j) /\
  slope_of j * (kink j - c j) = slope_of (S j) * (kink j - c (S j)).
Proof.
  intros Hj. assert (I := increasing j Hj). assert (A := alt_slope j). assert (A' := alt_slope (S j)).
  rewrite alt_next in A'. unfold kink.
  set (p := slope_of j) in *. set (q := slope_of (S j)) in *.
  destruct (alt_cases j) as [E|E]; rewrite E in *.
  - assert (D : 0 < p - q) by lra. split; [split|field; lra].
    + apply Rmult_lt_reg_r with (p - q); [easy|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. nra.
    + apply Rmult_lt_reg_r with (p - q); [easy|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. nra.
  - assert (D : 0 < q - p) by lra.
    replace ((p * c j - q * c (S j)) / (p - q))
      with ((q * c (S j) - p * c j) / (q - p)) by (field; lra).
    split; [split|field; lra].
    + apply Rmult_lt_reg_r with (q - p); [easy|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. nra.
    + apply Rmult_lt_reg_r with (q - p); [easy|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. nra.
Qed.

Definition broken (m : nat) (x : R) : R :=
  slope_of 0 * (x - c 0%nat) + total m (fun j => jump j * relu (x - kink j)).

(** After the first m kinks it is the piece through the zero c m. *)
Lemma broken_after m x : (m <= n)%nat -> (forall j, (j < m)%nat -> kink j <= x) ->
  broken m x = slope_of m * (x - c m).
Proof.
  induction m as [|m IH]; intros Hm Hx.
  - unfold broken. cbn [total]. ring.
  - assert (K := kink_range m ltac:(lia)). assert (Hk := Hx m ltac:(lia)).
    assert (E : broken m x = slope_of m * (x - c m)) by (apply IH; [lia|intros; apply Hx; lia]).
    unfold broken in *. cbn [total]. rewrite <- Rplus_assoc, E. unfold relu.
    rewrite Rmax_right by lra. unfold jump. lra.
Qed.

Lemma kinks_increase i j : (i <= j)%nat -> (j < n)%nat -> kink i <= kink j.
Proof.
  intros Hij. induction j as [|j IH]; intros Hj; [replace i with O by lia; lra|].
  destruct (Nat.eq_dec i (S j)) as [->|]; [lra|].
  assert (K := kink_range j ltac:(lia)). assert (K' := kink_range (S j) Hj).
  specialize (IH ltac:(lia) ltac:(lia)). lra.
Qed.

(** Between the kinks around it, and beyond the first and last kink, the piece through c m. *)
Lemma broken_piece m x : (m <= n)%nat -> (forall j, (j < m)%nat -> kink j <= x) ->
  (forall j, (m <= j)%nat -> (j < n)%nat -> x <= kink j) -> broken n x = slope_of m * (x - c m).
Proof.
  intros Hm Hx Hx'. rewrite <- broken_after by easy. unfold broken. f_equal.
  assert (T : forall d, (m + d <= n)%nat ->
    total (m + d) (fun j => jump j * relu (x - kink j)) = total m (fun j => jump j * relu (x - kink j))).
  { induction d as [|d IH]; intros Hd; [now rewrite Nat.add_0_r|].
    rewrite Nat.add_succ_r. cbn [total]. rewrite IH by lia.
    assert (H := Hx' (m + d)%nat ltac:(lia) ltac:(lia)). unfold relu. rewrite Rmax_left by lra. ring. }
  replace n with (m + (n - m))%nat at 1 by lia. apply T. lia.
Qed.

(** Between two neighbouring zeros it has the sign of alt, negative before the first. *)
Lemma broken_sign r x : (r <= S n)%nat -> (forall j, j = pred r -> (0 < r)%nat -> c j < x) ->
  ((r <= n)%nat -> x < c r) -> 0 < - alt r * broken n x.
Proof.
  intros Hr H1 H2.
  assert (piece : forall m, (m <= n)%nat -> (m = r /\ x < c m \/ S m = r /\ c m < x) ->
    0 < - alt r * (slope_of m * (x - c m))).
  { intros m _ [[E H]|[E H]]; subst r.
    - assert (A := alt_slope m). destruct (alt_cases m) as [E0|E0]; rewrite E0 in *; nra.
    - rewrite alt_next. assert (A := alt_slope m). destruct (alt_cases m) as [E0|E0]; rewrite E0 in *; nra. }
  destruct r as [|r].
  - rewrite (broken_piece 0 x); [apply piece; [lia|left; split; [easy|apply H2; lia]]|lia|lia|].
    intros j _ Hj. assert (K := kink_range j Hj). assert (K0 := kink_range 0 ltac:(lia)).
    assert (M := kinks_increase 0 j ltac:(lia) Hj). specialize (H2 ltac:(lia)). lra.
  - assert (C := H1 r eq_refl ltac:(lia)).
    assert (before : forall j, (j < r)%nat -> kink j <= x).
    { intros j Hj. assert (K := kink_range (pred r) ltac:(lia)).
      replace (S (pred r)) with r in K by lia.
      assert (M := kinks_increase j (pred r) ltac:(lia) ltac:(lia)). lra. }
    destruct (Nat.eq_dec r n) as [E|E].
    + rewrite (broken_piece r x); [apply piece; [lia|right; now split]|lia|easy|lia].
    + specialize (H2 ltac:(lia)). destruct (Rle_or_lt x (kink r)) as [L|L].
      * rewrite (broken_piece r x); [apply piece; [lia|right; now split]|lia|easy|].
        intros j Hj Hjn. assert (M := kinks_increase r j Hj Hjn). lra.
      * rewrite (broken_piece (S r) x); [apply piece; [lia|left; now split]|lia| |].
        -- intros j Hj. assert (M := kinks_increase j r ltac:(lia) ltac:(lia)). lra.
        -- intros j Hj Hjn. assert (K := kink_range j Hjn).
           assert (M := kinks_increase (S r) j Hj Hjn).
           assert (K' := kink_range (S r) ltac:(lia)). lra.
Qed.

(** From three kinks on it is a network: the third unit points to the left. *)
Lemma broken_net : (3 <= n)%nat -> exists c0 a w b, forall x, line_net n c0 a w b x = broken n x.
Proof.
  intros Hn. exists (kink 2 - c 0%nat), jump, (fun j => if Nat.eqb j 2 then -1 else 1),
    (fun j => if Nat.eqb j 2 then kink 2 else - kink j).
  intros x. unfold line_net, broken.
  rewrite (total_ext n _ (fun j => jump j * relu (x - kink j)
    + (if Nat.eqb j 2 then 1 else 0) * (jump 2 * (kink 2 - x)))).
  - rewrite total_plus, total_pick by lia. unfold jump, slope_of, alt. simpl. field.
  - intros j Hj. destruct (Nat.eqb_spec j 2) as [->|E].
    + unfold relu. destruct (Rle_or_lt x (kink 2)).
      * rewrite Rmax_right, Rmax_left by lra. ring.
      * rewrite Rmax_left, Rmax_right by lra. ring.
    + replace (1 * x + - kink j) with (x - kink j) by ring. ring.
Qed.

End Pieces.

(** A net of the least width with s given zeros; bounded from above only for three. *)
Lemma zeros_net s (c : nat -> R) (top : R) : (forall j, (S j < s)%nat -> c j < c (S j)) ->
  exists c0 a w b, forall r x, (r <= s)%nat -> x <= top ->
    ((0 < r)%nat -> c (pred r) < x) -> ((r < s)%nat -> x < c r) ->
    0 < - alt r * line_net (width s) c0 a w b x.
Proof.
  intros Hc. destruct s as [|[|[|[|s]]]].
  - exists (-1), (fun _ => 0), (fun _ => 0), (fun _ => 0). intros r x Hr _ _ _.
    replace r with O by lia. unfold line_net, alt. simpl. lra.
  - exists (-1), (fun _ => 1), (fun _ => 1), (fun _ => 1 - c 0%nat). intros r x Hr _ H1 H2.
    unfold line_net, alt, relu. simpl width. cbn [total]. destruct r as [|r].
    + specialize (H2 ltac:(lia)). simpl. unfold Rmax. destruct Rle_dec; lra.
    + specialize (H1 ltac:(lia)). replace r with O in * by lia. simpl in *.
      rewrite Rmax_right; lra.
  - assert (C := Hc 0%nat ltac:(lia)). set (q := (c 0%nat + c 1%nat) / 2).
    set (h := (c 1%nat - c 0%nat) / 2). assert (Hh : 0 < h) by (unfold h; lra).
    exists 1, (fun _ => - / h), (fun j => if Nat.eqb j 0 then -1 else 1),
      (fun j => if Nat.eqb j 0 then q else - q). intros r x Hr _ H1 H2.
    assert (E : line_net (width 2) 1 (fun _ => - / h) (fun j => if Nat.eqb j 0 then -1 else 1)
      (fun j => if Nat.eqb j 0 then q else - q) x = / h * (h - Rabs (x - q))).
    { unfold line_net, relu. simpl. unfold Rabs. destruct Rcase_abs.
      - rewrite Rmax_right, Rmax_left by lra. field. lra.
      - rewrite Rmax_left, Rmax_right by lra. field. lra. }
    rewrite E. assert (I := Rinv_0_lt_compat h Hh).
    assert (out : forall u, 0 < u -> 0 < / h * u) by (intros; now apply Rmult_lt_0_compat).
    destruct r as [|[|[|r]]]; try lia; unfold alt; simpl in *.
    + specialize (H2 ltac:(lia)). rewrite Rabs_left by (unfold q; lra).
      replace (_ * _) with (/ h * (- h + - (x - q))) by ring. apply out. unfold h, q. lra.
    + specialize (H1 ltac:(lia)). specialize (H2 ltac:(lia)).
      replace (_ * _) with (/ h * (h - Rabs (x - q))) by ring. apply out.
      assert (Rabs (x - q) < h); [|lra]. apply Rabs_def1; unfold h, q; lra.
    + specialize (H1 ltac:(lia)). rewrite Rabs_pos_eq by (unfold q; lra).
      replace (_ * _) with (/ h * (- h + (x - q))) by ring. apply out. unfold h, q. lra.
  - (* a fourth zero beyond everything *)
    set (c' := fun j => if Nat.leb j 2 then c j else Rmax top (c 2%nat) + 1).
    assert (I : forall j, (j < 3)%nat -> c' j < c' (S j)).
    { intros j Hj. unfold c'. destruct j as [|[|[|j]]]; simpl; try (apply Hc; lia); [|lia].
      assert (H := Rmax_r top (c 2%nat)). lra. }
    destruct (broken_net 3 c' ltac:(lia)) as (c0 & a & w & b & E).
    exists c0, a, w, b. intros r x Hr Hx H1 H2. unfold width. simpl Nat.leb. cbn iota. rewrite E.
    apply broken_sign; [easy|lia| |].
    + intros j -> H. unfold c'. replace (Nat.leb (pred r) 2) with true by (symmetry; apply Nat.leb_le; lia).
      now apply H1.
    + intros H. unfold c'. destruct (Nat.leb_spec r 2); [apply H2; lia|].
      assert (M := Rmax_l top (c 2%nat)). lra.
  - set (n := (S (S (S s)))%nat).
    assert (I : forall j, (j < n)%nat -> c j < c (S j)) by (intros; apply Hc; unfold n in *; lia).
    destruct (broken_net n c ltac:(unfold n; lia)) as (c0 & a & w & b & E).
    exists c0, a, w, b. intros r x Hr Hx H1 H2. replace (width (S (S (S (S s))))) with n by easy.
    rewrite E. apply broken_sign; [easy|unfold n; lia| |].
    + intros j -> H. now apply H1.
    + intros H. apply H2. unfold n in H. lia.
Qed.
