(** Chapter 10, separable points, alternating balls. *)

From Coq Require Import Reals Lra Lia Bool.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Pairs Simplex Line prop_line.
Open Scope R_scope.

(** k units of the two-layer ReLU network in the plane, with biases. *)
Definition plane_net (k : nat) (c : R) (a : nat -> R) (w : nat -> euclidean 2) (b : nat -> R)
  (x : euclidean 2) : R := c + total k (fun r => a r * relu (<< w r, x >> + b r)).

Definition pair (u v : R) : euclidean 2 := fun i => match i with O => u | _ => v end.
Definition label (i : nat) : R := sign (Nat.even i).

Lemma dot_pair (w : euclidean 2) u v : << w, pair u v >> = w 0%nat * u + w 1%nat * v.
Proof. unfold pair. simpl. ring. Qed.

Lemma sqr_pair u v u' v' : << pair u v - pair u' v', pair u v - pair u' v' >> = (u - u') ^ 2 + (v - v') ^ 2.
Proof. unfold pair. simpl. ring. Qed.

Lemma changes_even n : changes n Nat.even = n.
Proof.
  induction n as [|n IH]; [easy|]. cbn [changes]. rewrite IH, Nat.even_succ, <- Nat.negb_even.
  now destruct (Nat.even n).
Qed.

Theorem prop_zigzag :
  forall (n : nat) (rho : R),
  (2 <= n)%nat ->  (* book: n\ge2 *)
  0 < rho < 1 ->  (* book: \rho\in(0,1) *)
  exists (x : nat -> euclidean 2) (y : nat -> R) (separation : R),
  (forall i, y i = 1 \/ y i = -1)
  /\
  (* book: the distance of opposite labels *)
  (forall i j, (i < n)%nat -> (j < n)%nat -> y i <> y j -> separation <= norm (x i - x j))
  /\
  (exists i j, (i < n)%nat /\ (j < n)%nat /\ y i <> y j /\ norm (x i - x j) = separation)
  /\
  (* book: one unit is right at the points *)
  (exists c a w b, forall i, (i < n)%nat -> 0 < y i * plane_net 1 c a w b (x i))
  /\
  (* book: every two-layer ReLU network that is right on the balls *)
  let right_on_balls k c a w b := (forall i x', (i < n)%nat ->
    norm (x' - x i) <= rho * (separation / 2) ->  (* book: of radius $\rho$ times half the distance *)
    0 < y i * plane_net k c a w b x') in
  let width := if Nat.leb n 4 then (n - 1)%nat else (n - 2)%nat in
  (* book: at least $n-2$ units ($n-1$ if $n\le4$) *)
  (forall k c a w b, right_on_balls k c a w b -> (width <= k)%nat)
  /\
  (* book: For $\rho<1/\sqrt2$ this many suffice *)
  (rho < 1 / sqrt 2 -> exists c a w b, right_on_balls width c a w b).
Proof.
  intros n rho Hn [Hr0 Hr1].
  assert (P : 0 < 1 - rho ^ 2) by nra. assert (Q := sqrt_lt_R0 _ P).
  assert (QQ : sqrt (1 - rho ^ 2) ^ 2 = 1 - rho ^ 2) by (apply pow2_sqrt; lra).
  set (q := sqrt (1 - rho ^ 2)) in *.
  (* the points lie in two rows at the heights zeta and - zeta *)
  set (zeta := rho / (2 * q)). set (D := / q).
  assert (Hz : 0 < zeta) by (apply Rdiv_lt_0_compat; lra).
  assert (HD : 0 < D) by now apply Rinv_0_lt_compat.
  assert (Hzeta : rho * (D / 2) = zeta) by (unfold D, zeta; field; lra).
  assert (HDD : D ^ 2 = 1 + (2 * zeta) ^ 2).
  { unfold D, zeta. apply Rmult_eq_reg_r with (q ^ 2); [|nra].
    replace ((/ q) ^ 2 * q ^ 2) with 1 by (field; lra).
    replace ((1 + (2 * (rho / (2 * q))) ^ 2) * q ^ 2) with (q ^ 2 + rho ^ 2) by (field; lra). lra. }
  set (x := fun i : nat => pair (INR i) (label i * zeta)).
  assert (lab : forall i, label i = 1 \/ label i = -1) by (intros i; unfold label, sign; destruct Nat.even; auto).
  assert (gap : forall i j, label i <> label j -> 1 <= (INR i - INR j) ^ 2).
  { intros i j H. destruct (Nat.lt_trichotomy i j) as [L|[->|L]]; [|easy|];
      apply le_INR in L; rewrite S_INR in L; nra. }
  exists x, label, D. split; [easy|split; [|split; [|split; [|intros right_on_balls width; split]]]].
  - intros i j _ _ H. apply norm_ge; [lra|]. unfold x. rewrite sqr_pair, HDD.
    assert (G := gap i j H). destruct (lab i) as [Ei|Ei]; destruct (lab j) as [Ej|Ej]; rewrite Ei, Ej in *; nra.
  - exists 0%nat, 1%nat. split; [lia|split; [lia|split]].
    + unfold label. simpl. lra.
    + unfold norm. rewrite <- (sqrt_pow2 D) by lra. f_equal. unfold x. rewrite sqr_pair, HDD.
      unfold label. simpl. ring.
  - (* the line between the two rows separates the points *)
    exists (- zeta), (fun _ => 1), (fun _ => pair 0 1), (fun _ => zeta). intros i _.
    unfold plane_net, x. cbn [total]. rewrite dot_pair. unfold relu. simpl pair.
    destruct (lab i) as [-> | ->].
    + rewrite Rmax_right; simpl; lra.
    + rewrite Rmax_left; simpl; lra.
  - (* on the horizontal axis such a network changes its sign n - 1 times *)
    intros k c a w b H.
    assert (axis : forall t, plane_net k c a w b (pair t 0) = line_net k c a (fun r => w r 0%nat) b t).
    { intros t. unfold plane_net, line_net. f_equal. apply total_ext. intros r _.
      rewrite dot_pair. f_equal. f_equal. ring. }
    destruct (prop_line (n - 1) INR INR INR Nat.even) as [fewer _].
    + intros i _. rewrite S_INR. lra.
    + intros; lra.
    + intros i j _ _ Dy. assert (i <> j) by congruence.
      destruct (Nat.lt_ge_cases i j); [left|right]; apply lt_INR; lia.
    + rewrite changes_even in fewer.
      assert (F : ((if Nat.leb (n - 1) 3 then n - 1 else n - 1 - 1) <= k)%nat).
      { apply (fewer k c a (fun r => w r 0%nat) b). intros i Hi. rewrite <- axis. apply H; [lia|].
        rewrite Hzeta. apply norm_le; [lra|].
        unfold x. rewrite sqr_pair. destruct (lab i) as [-> | ->]; nra. }
      destruct (Nat.leb_spec n 4); destruct (Nat.leb_spec (n - 1) 3); lia.
  - (* small balls have disjoint projections to the axis *)
    intros Hsmall.
    assert (Half : zeta < 1 / 2).
    { assert (R2 : rho ^ 2 < 1 / 2).
      { assert (S := sqrt_lt_R0 2 ltac:(lra)). assert (SS := pow2_sqrt 2 ltac:(lra)).
        apply (Rmult_lt_compat_r (sqrt 2)) in Hsmall; [|easy].
        unfold Rdiv in Hsmall. rewrite Rmult_assoc, Rinv_l in Hsmall by lra.
        assert (0 < rho * sqrt 2) by nra. nra. }
      assert (rho < q) by nra.
      unfold zeta. apply Rmult_lt_reg_r with (2 * q); [lra|].
      replace (rho / (2 * q) * (2 * q)) with rho by (field; lra). lra. }
    destruct (prop_line (n - 1) INR (fun i => INR i - zeta) (fun i => INR i + zeta) Nat.even)
      as [_ (c & a & w & b & H)].
    + intros i _. rewrite S_INR. lra.
    + intros; lra.
    + intros i j _ _ Dy. assert (Dij : i <> j) by congruence.
      destruct (Nat.lt_ge_cases i j) as [L|L]; [left|right].
      * apply le_INR in L. rewrite S_INR in L. lra.
      * assert (L' : (S j <= i)%nat) by lia. apply le_INR in L'. rewrite S_INR in L'. lra.
    + rewrite changes_even in H.
      exists c, a, (fun r => pair (w r) 0), b. intros i x' Hi Hx'. rewrite Hzeta in Hx'.
      assert (E : plane_net width c a (fun r => pair (w r) 0) b x' = line_net width c a w b (x' 0%nat)).
      { unfold plane_net, line_net. f_equal. apply total_ext. intros r _. f_equal. f_equal. f_equal.
        rewrite dot_sym. unfold pair. simpl. ring. }
      rewrite E. replace width with (if Nat.leb (n - 1) 3 then n - 1 else n - 1 - 1)%nat.
      2: { unfold width. destruct (Nat.leb_spec n 4); destruct (Nat.leb_spec (n - 1) 3); lia. }
      apply H; [lia|].
      apply norm_le_sqr in Hx'. unfold x in Hx'.
      assert (Z : (x' 0%nat - INR i) ^ 2 <= zeta ^ 2).
      { assert (E2 : << x' - pair (INR i) (label i * zeta), x' - pair (INR i) (label i * zeta) >> =
          (x' 0%nat - INR i) ^ 2 + (x' 1%nat - label i * zeta) ^ 2) by (unfold pair; simpl; ring).
        assert (P2 := pow2_ge_0 (x' 1%nat - label i * zeta)). lra. }
      split; nra.
Qed.
