(** Chapter 10: the ratio that a pair of balls needs to shatter k points; for even k >= 4 and
    for k = 3 a regular simplex needs no more. *)

From Coq Require Import Reals Lra Lia List Bool.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Pairs Simplex.
Open Scope R_scope.

(** * Necessary *)

Section Necessary.
Context {X : inner_space} (k : nat).
Hypothesis k_large : (2 <= k)%nat.
Let h := excess k.
Variable z : nat -> X.
Hypothesis centred : forall x, << vtotal k z, x >> = 0.

Let V := total k (fun j => << z j, z j >>).
Let s (v : nat -> bool) : X := combination k (fun j => sign (v j)) z.

Lemma total_dot_zero x : total k (fun j => << z j, x >>) = 0.
Proof. now rewrite <- dot_vtotal. Qed.

(** Exchanging the labels of a point i with + and a point j with - . *)
Definition swap (v : nat -> bool) (i j : nat) : nat -> bool :=
  fun l => if Nat.eqb l i then false else if Nat.eqb l j then true else v l.

Lemma swap_total v i j (u : nat -> R) :
  (i < k)%nat -> (j < k)%nat -> v i = true -> v j = false ->
  total k (fun l => sign (swap v i j l) * u l) = total k (fun l => sign (v l) * u l) - 2 * u i + 2 * u j.
Proof.
  intros Hi Hj Vi Vj.
  rewrite (total_ext k _ (fun l => sign (v l) * u l + (-2 * ((if Nat.eqb l i then 1 else 0) * u l)
    + 2 * ((if Nat.eqb l j then 1 else 0) * u l)))).
  - rewrite !total_plus, !total_scal, !total_pick by easy. ring.
  - intros l _. unfold swap.
    destruct (Nat.eqb_spec l i) as [E1|E1]; destruct (Nat.eqb_spec l j) as [E2|E2]; subst.
    + congruence.
    + rewrite Vi. simpl. ring.
    + rewrite Vj. simpl. ring.
    + ring.
Qed.

Lemma total_product (u w : nat -> R) :
  total k (fun i => total k (fun j => u i * w j)) = total k u * total k w.
Proof.
  rewrite (total_ext k _ (fun i => total k w * u i)).
  - rewrite total_scal. ring.
  - intros i _. rewrite total_scal. ring.
Qed.

Let q (v : nat -> bool) : R := total k (fun j => sign (v j) * << z j, z j >>).

(** Some balanced labelling has a short signed sum.
    The book draws a balanced labelling at random; here we take the one with the smallest value of
    what stands in [Hmin], compare it with all that differ by one exchange, and get the same constant. *)
Lemma short_sum : exists v, balanced k v /\
  << s v, s v >> <= (INR k ^ 2 - h ^ 2) / (INR k * (INR k - 1)) * V.
Proof.
  destruct (least_in_list (fun v => << s v, s v >> - 2 * h / INR k * q v) (balanced k) (labellings k))
    as (v & _ & Hv & Hmin).
  { intros v. unfold balanced. destruct (Req_dec (total k (fun j => sign (v j))) (excess k)); auto. }
  { destruct (balanced_exists k) as (v & Hv). destruct (labellings_all k v) as (w & Hin & Hw).
    exists w. split; [easy|]. unfold balanced in *. rewrite <- Hv. apply total_ext.
    intros j Hj. now rewrite Hw. }
  assert (Hk : 2 <= INR k) by (apply (le_INR 2); lia).
  exists v. split; [easy|].
  assert (dot_s : forall v x, << s v, x >> = total k (fun j => sign (v j) * << z j, x >>))
    by (intros; apply dot_combination).
  set (S2 := << s v, s v >>).
  (* no exchange makes it smaller *)
  assert (Hswap : forall i j, (i < k)%nat -> (j < k)%nat -> v i = true -> v j = false ->
    << s v, z i >> - << s v, z j >> <= << z i, z i >> - 2 * << z i, z j >> + << z j, z j >>
      + h / INR k * (<< z i, z i >> - << z j, z j >>)).
  { intros i j Hi Hj Vi Vj. destruct (labellings_all k (swap v i j)) as (w & Hin & Hw).
    assert (Hb : balanced k w).
    { unfold balanced. rewrite (total_ext k _ (fun l => sign (swap v i j l) * 1)).
      - rewrite (swap_total v i j (fun _ => 1)) by easy.
        rewrite (total_ext k _ (fun l => sign (v l))) by (intros; ring).
        unfold balanced in Hv. rewrite Hv. ring.
      - intros l Hl. rewrite Hw by easy. ring. }
    specialize (Hmin w Hin Hb).
    assert (Eq : q w = q v - 2 * << z i, z i >> + 2 * << z j, z j >>).
    { unfold q. rewrite <- (swap_total v i j (fun l => << z l, z l >>)) by easy.
      apply total_ext. intros l Hl. now rewrite Hw. }
    assert (E : forall x, << s w, x >> = << s v, x >> - 2 * << z i, x >> + 2 * << z j, x >>).
    { intros x. rewrite !dot_s, <- (swap_total v i j (fun l => << z l, x >>)) by easy.
      apply total_ext. intros l Hl. now rewrite Hw. }
    rewrite E, (dot_sym _ (s v) (s w)), (dot_sym _ (z i) (s w)), (dot_sym _ (z j) (s w)), !E in Hmin.
    rewrite (dot_sym _ (z i) (s v)), (dot_sym _ (z j) (s v)), (dot_sym _ (z j) (z i)), Eq in Hmin.
    replace (h / INR k) with (2 * h / INR k / 2) by (field; lra). lra. }
  (* weight it with (1 + v_i)(1 - v_j) and add over all i and j *)
  assert (Hsum : total k (fun i => total k (fun j =>
      (1 + sign (v i)) * (<< s v, z i >> - (1 + h / INR k) * << z i, z i >>) * (1 - sign (v j))
      + (-1 * (1 + sign (v i)) * ((1 - sign (v j)) * (<< s v, z j >> + (1 - h / INR k) * << z j, z j >>))
      + 2 * (((1 + sign (v i)) * (1 - sign (v j))) * << z i, z j >>)))) <= 0).
  { rewrite <- (Rmult_0_r (INR k)), <- total_const. apply total_le. intros i Hi.
    rewrite <- (Rmult_0_r (INR k)), <- total_const. apply total_le. intros j Hj.
    destruct (v i) eqn:Vi; destruct (v j) eqn:Vj; simpl sign; try lra.
    specialize (Hswap i j Hi Hj Vi Vj). lra. }
  rewrite (total_ext k _ (fun i => total k (fun j =>
      (1 + sign (v i)) * (<< s v, z i >> - (1 + h / INR k) * << z i, z i >>) * (1 - sign (v j)))
      + (total k (fun j => -1 * (1 + sign (v i)) * ((1 - sign (v j)) * (<< s v, z j >> + (1 - h / INR k) * << z j, z j >>)))
      + total k (fun j => 2 * (((1 + sign (v i)) * (1 - sign (v j))) * << z i, z j >>))))) in Hsum
    by (intros; rewrite !total_plus; ring).
  rewrite !total_plus in Hsum.
  rewrite (total_product (fun i => (1 + sign (v i)) * (<< s v, z i >> - (1 + h / INR k) * << z i, z i >>))
    (fun j => 1 - sign (v j))) in Hsum.
  rewrite (total_product (fun i => -1 * (1 + sign (v i)))
    (fun j => (1 - sign (v j)) * (<< s v, z j >> + (1 - h / INR k) * << z j, z j >>))) in Hsum.
  (* the three sums *)
  assert (Ev : total k (fun j => sign (v j)) = h) by exact Hv.
  assert (E1 : total k (fun j => 1 - sign (v j)) = INR k - h).
  { rewrite total_minus, total_const, Ev. ring. }
  assert (E2 : total k (fun j => -1 * (1 + sign (v j))) = - (INR k + h)).
  { rewrite total_scal, total_plus, total_const, Ev. ring. }
  assert (Es : total k (fun i => << s v, z i >>) = 0).
  { rewrite <- (total_dot_zero (s v)). apply total_ext. intros. apply dot_sym. }
  assert (Ess : total k (fun i => sign (v i) * << s v, z i >>) = S2).
  { unfold S2. rewrite (dot_s v (s v)). apply total_ext. intros. now rewrite (dot_sym _ (z i)). }
  assert (E3 : total k (fun i => (1 + sign (v i)) * (<< s v, z i >> - (1 + h / INR k) * << z i, z i >>))
    = S2 - (1 + h / INR k) * (V + q v)).
  { rewrite (total_ext k _ (fun i => (<< s v, z i >> + sign (v i) * << s v, z i >>)
      - (1 + h / INR k) * (<< z i, z i >> + sign (v i) * << z i, z i >>))) by (intros; ring).
    rewrite total_minus, total_scal, !total_plus, Es, Ess. unfold V, q. ring. }
  assert (E4 : total k (fun i => (1 - sign (v i)) * (<< s v, z i >> + (1 - h / INR k) * << z i, z i >>))
    = - S2 + (1 - h / INR k) * (V - q v)).
  { rewrite (total_ext k _ (fun i => (<< s v, z i >> - sign (v i) * << s v, z i >>)
      + (1 - h / INR k) * (<< z i, z i >> - sign (v i) * << z i, z i >>))) by (intros; ring).
    rewrite total_plus, total_scal, !total_minus, Es, Ess. unfold V, q. ring. }
  assert (E5 : total k (fun i => total k (fun j =>
      2 * (((1 + sign (v i)) * (1 - sign (v j))) * << z i, z j >>))) = -2 * S2).
  { rewrite (total_ext k _ (fun i => -2 * (<< s v, z i >> + sign (v i) * << s v, z i >>))).
    - rewrite total_scal, total_plus, Es, Ess. ring.
    - intros i _.
      rewrite (total_ext k _ (fun j => 2 * (1 + sign (v i)) *
        (<< z j, z i >> - sign (v j) * << z j, z i >>))).
      + rewrite total_scal, total_minus, total_dot_zero, <- dot_s. ring.
      + intros j _. rewrite (dot_sym _ (z i)). ring. }
  rewrite E1, E2, E3, E4, E5 in Hsum.
  fold S2. assert (D : 0 < INR k * (INR k - 1)) by nra.
  apply Rmult_le_reg_l with (INR k * (INR k - 1)); [easy|].
  replace (INR k * (INR k - 1) * (_ / _ * V)) with ((INR k ^ 2 - h ^ 2) * V) by (field; lra).
  apply (Rmult_le_compat_l (INR k)) in Hsum; [|lra].
  replace (INR k * _) with (2 * (INR k * (INR k - 1) * S2 - (INR k ^ 2 - h ^ 2) * V)) in Hsum
    by (field; lra). lra.
Qed.

End Necessary.

(** The least square of the ratio, as the book has it. *)
Definition least_square (k : nat) : R :=
  if Nat.even k then 1 - 1 / (INR k - 1) else 1 - (INR k + 2) / INR k ^ 2.

Lemma pairs_necessary (X : inner_space) (k : nat) (rho delta : R) (z : nat -> X) :
  (2 <= k)%nat -> 0 < delta -> 0 <= rho -> pair_shatters rho delta k z ->
  least_square k <= rho ^ 2.
Proof.
  intros Hk2 Hd Hr H. assert (Hk : 2 <= INR k) by (apply (le_INR 2); lia).
  (* we may take the sum of the points to be zero *)
  set (c0 := (/ INR k * vtotal k z)%vec).
  set (z' := fun j => (z j - c0)%vec).
  assert (Hz' : forall x, << vtotal k z', x >> = 0).
  { intros x. rewrite dot_vtotal. unfold z'.
    rewrite (total_ext _ _ (fun j => << z j, x >> + -1 * << c0, x >>)) by (intros; expand; ring).
    rewrite total_plus, total_const. unfold c0. rewrite dot_vscal, dot_vtotal. field. lra. }
  destruct (short_sum k Hk2 z' Hz') as (v & Hv & Hs). set (h := excess k) in *.
  set (V := total k (fun j => << z' j, z' j >>)) in *.
  set (s := combination k (fun j => sign (v j)) z') in *.
  destruct (H v) as (xp & xm & Hsep & Hnear).
  (* centres c + u and c - u, measured from the mean of the points *)
  set (u := (/ 2 * (xp - xm))%vec). set (c := (/ 2 * (xp + xm) - c0)%vec).
  assert (Hu : delta ^ 2 <= << u, u >>).
  { unfold u. rewrite dot_vscal, dot_vscal_r, <- norm_sqr. nra. }
  (* add up the squares of the distances of all points to their centres *)
  assert (Hadd : V + INR k * << c, c >> + INR k * << u, u >> - 2 * << s, u >> + 2 * h * << c, u >>
      <= INR k * (rho ^ 2 * delta ^ 2)).
  { assert (Es : << s, u >> = total k (fun j => sign (v j) * << z' j, u >>)) by apply dot_combination.
    assert (Ec : total k (fun j => << z' j, c >>) = 0) by (rewrite <- dot_vtotal; apply Hz').
    assert (Eb : total k (fun j => sign (v j)) = h) by exact Hv.
    assert (Sum : total k (fun j => (<< z' j, z' j >> + (<< c, c >> + << u, u >>)) +
        (-2 * << z' j, c >> + (-2 * (sign (v j) * << z' j, u >>) + 2 * << c, u >> * sign (v j))))
        <= total k (fun _ => rho ^ 2 * delta ^ 2)).
    { apply total_le. intros j Hj. specialize (Hnear j Hj). apply norm_le_sqr in Hnear.
      rewrite Rpow_mult_distr in Hnear. eapply Rle_trans; [|exact Hnear]. apply Req_le.
      destruct (v j); simpl sign; unfold z', c, u; expand;
        rewrite ?(dot_sym _ c0 (z j)), ?(dot_sym _ xp (z j)), ?(dot_sym _ xm (z j)),
          ?(dot_sym _ xp c0), ?(dot_sym _ xm c0), ?(dot_sym _ xm xp); field. }
    rewrite !total_plus, !total_scal, total_const, total_const, total_const, Ec, Eb, <- Es in Sum.
    fold V in Sum. lra. }
  (* the best c is - (h / k) u *)
  assert (Hc : - (h ^ 2 / INR k) * << u, u >> <= INR k * << c, c >> + 2 * h * << c, u >>).
  { assert (P := dot_pos X (c + h / INR k * u)%vec). expand_in P. rewrite (dot_sym _ u c) in P.
    apply (Rmult_le_compat_l (INR k)) in P; [|lra]. rewrite Rmult_0_r in P.
    replace (INR k * _) with (INR k * << c, c >> + 2 * h * << c, u >> + h ^ 2 / INR k * << u, u >>) in P
      by (field; lra). lra. }
  (* V - 2 <s, u> >= - kap |u|^2, since |s|^2 <= kap V *)
  assert (Hh : h ^ 2 <= 1) by (unfold h, excess; destruct Nat.even; lra).
  set (kap := (INR k ^ 2 - h ^ 2) / (INR k * (INR k - 1))) in *.
  assert (Hkap : 0 < kap) by (apply Rdiv_lt_0_compat; nra).
  assert (Hq : 2 * << s, u >> <= V + kap * << u, u >>).
  { assert (P := dot_pos X (s - kap * u)%vec). expand_in P. rewrite (dot_sym _ u s) in P.
    apply Rmult_le_reg_l with kap; [easy|]. nra. }
  assert (E : (INR k - h ^ 2 / INR k - kap) * << u, u >> <= INR k * (rho ^ 2 * delta ^ 2)) by lra.
  assert (Ek : INR k - h ^ 2 / INR k - kap = INR k * least_square k).
  { unfold kap, h, excess, least_square. destruct (Nat.even k); field; lra. }
  assert (Hw : 0 <= least_square k).
  { assert (Hpos : INR k * least_square k = (INR k ^ 2 - h ^ 2) * (INR k - 2) / (INR k * (INR k - 1))).
    { rewrite <- Ek. unfold kap. field. lra. }
    apply Rmult_le_reg_l with (INR k); [lra|]. rewrite Hpos, Rmult_0_r.
    apply Rdiv_le_0_compat; [|nra]. apply Rmult_le_pos; nra. }
  rewrite Ek in E.
  assert (E' : least_square k * delta ^ 2 <= rho ^ 2 * delta ^ 2).
  { apply Rmult_le_reg_l with (INR k); [lra|].
    apply Rle_trans with (INR k * least_square k * << u, u >>); [|lra].
    rewrite <- Rmult_assoc. apply Rmult_le_compat_l; [|easy]. apply Rmult_le_pos; lra. }
  apply Rmult_le_reg_r with (delta ^ 2); [apply pow_lt; easy|easy].
Qed.

(** * Necessary, and for even k and three points sufficient *)

Theorem prop_pairs :
  forall (d k : nat) (rho delta : R),
  (2 <= k)%nat ->  (* book: $k\ge2$ *)
  0 < delta ->  (* ours: as in the definition of the data *)
  0 <= rho < 1 ->  (* book: $\rho<1$ *)
  (forall z : nat -> euclidean d, pair_shatters rho delta k z -> least_square k <= rho ^ 2)
  (* book: \rho^2\ge1-\frac1{k-1}\quad(k\text{ even}),\qquad\rho^2\ge1-\frac{k+2}{k^2} *)
  /\
  (Nat.even k = true /\ (4 <= k)%nat \/ (k = 3)%nat ->  (* book: for every even $k\ge4$ *)
    (k - 1 <= d)%nat ->  (* ours: room for the simplex *)
    least_square k <= rho ^ 2 ->  (* book: Regular simplices attain *)
    exists z : nat -> euclidean d, pair_shatters rho delta k z).
Proof.
  intros d k rho delta Hk Hdelta [Hr Hr1]. split.
  - intros z. now apply pairs_necessary.
  - intros Hcase Hd H.
    assert (Hs : @simplex (euclidean d) k (vertex (k - 1))).
    { replace k with (S (k - 1)) at 1 by lia. apply vertex_simplex; lia. }
    assert (T : threshold k <= rho).
    { assert (E : threshold k ^ 2 <= rho ^ 2).
      { eapply Rle_trans; [|exact H]. unfold least_square. destruct Hcase as [[E4 H4]| ->].
        - rewrite E4. assert (K := large k H4). destruct k as [|[|[|[|k]]]]; try lia.
          set (n := (S (S (S (S k))))) in *. change (threshold n) with (sqrt (1 - 1 / (INR n - 1))).
          assert (HN : 1 / (INR n - 1) <= 1 / 3).
          { apply Rmult_le_compat_l; [lra|]. apply Rinv_le_contravar; lra. }
          rewrite pow2_sqrt; lra.
        - simpl. lra. }
      assert (R0 := threshold_range k Hk). nra. }
    destruct (figure_scaled k _ rho delta Hk Hs Hdelta T ltac:(lra)) as (z & Hz).
    exists z. intros v. destruct (Hz v) as (plus & minus & [Hsep _] & _ & _ & Hnear).
    now exists plus, minus.
Qed.
